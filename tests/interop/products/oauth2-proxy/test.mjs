import { readFileSync, symlinkSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const SCOPE = 'openid profile email'
const MODULE = 'github.com/oauth2-proxy/oauth2-proxy/v7'
const TOLD = ['x-forwarded-user', 'x-forwarded-email', 'x-sgid-name', 'x-sgid-birthdate', 'x-sgid-gender']
/** The oldest Go that builds it. */
const OLDEST_GO = 26

// Seconds, in the place of the recipe's minutes.
const RENEWED_AFTER = 2

const program = (ctx) => path.join(ctx.cache, 'oauth2-proxy')

/** The machine's Go, or, where that is missing or too old, the one of requirements.txt from PyPI. */
async function newEnoughGo(ctx) {
  try {
    const found = await ctx.exec('go env', 'go', ['env', 'GOVERSION'], { env: { GOTOOLCHAIN: 'local' } })
    if (Number(found.match(/^go1\.(\d+)/)?.[1]) >= OLDEST_GO) return 'go'
  } catch {
    // There is none.
  }
  return path.join(await ctx.pip(), 'go')
}

export default {
  product: 'oauth2-proxy',
  title: 'oauth2-proxy',
  version: '7.15.6',
  exercised:
    'discovery, code flow with PKCE and nonce, client_secret_basic, userinfo; people known by sub, by an unverified e-mail address, claims as headers; an e-mail address refused as unverified; logout; refresh tokens with Redis, and why not without; a wrong secret',
  aptPackages: { 'import ensurepip, venv': 'python3-venv', 'redis-check-rdb': 'redis-tools' },

  async install(ctx) {
    const go = await newEnoughGo(ctx)
    const pinned = ['go.mod', 'go.sum'].map((name) => readFileSync(path.join(ctx.folder, name), 'utf8')).join('')
    ctx.check.that(pinned.includes(`${MODULE} v${this.version}`), `go.mod pins ${this.version}`)
    await ctx.once('built', pinned, () =>
      // -p=1: whatever else builds on this machine comes first.
      ctx.exec('go build', 'nice', ['-n', '19', go, 'build', '-p', '1', '-mod=readonly', '-buildvcs=false', '-o', program(ctx), MODULE], {
        cwd: ctx.folder,
        env: { GOTOOLCHAIN: 'local' },
        seconds: 1150,
      }),
    )
  },

  async run(ctx) {
    const { recipe, check } = ctx
    const [port, appPort] = [await ctx.freePort(), await ctx.freePort()]
    const app = `http://localhost:${port}`
    const registration = {
      config: recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app }),
      secrets: { 'keys/oauth2-proxy-secret': ctx.secret },
    }
    const bridge = await ctx.bridge(registration)

    // The app behind the proxy: it shows what reaches it.
    const echo = `require('node:http').createServer((request, response) => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ path: request.url, headers: request.headers }))
    }).listen(${appPort}, '127.0.0.1')`
    await ctx.waitForHttp(`http://127.0.0.1:${appPort}`, { process: ctx.start('the app', 'node', ['-e', echo]) })

    ctx.file('cookie-secret', randomBytes(24).toString('base64url'))
    const file = (name) => path.join(ctx.temp, name)
    ctx.file('sgid-client-secret', ctx.secret)
    const examples = {
      'https://login.example.sg': bridge.issuer,
      'https://app.example.sg': app,
      'login.example.sg': new URL(bridge.issuer).host,
      '/etc/oauth2-proxy/sgid-client-secret': file('sgid-client-secret'),
      '/etc/oauth2-proxy/cookie-secret': file('cookie-secret'),
      '127.0.0.1:4180': `127.0.0.1:${port}`,
      'http://127.0.0.1:3000/': `http://127.0.0.1:${appPort}/`,
    }
    /** The examples that are in this text. The bridge's host alone is in its address, too. */
    const those = (text = '') =>
      Object.fromEntries(Object.entries(examples).filter(([example]) => text.replaceAll(`//${example}`, '').includes(example)))
    const settings = recipe.block('oauth2-proxy.cfg', examples)
    const knownBySub = 'oidc_email_claim = "sub"'
    check.includes(settings, knownBySub, 'the settings')

    /** Runs the proxy with these files while `work` uses it with a fresh browser. */
    const withProxy = async (name, args, work) => {
      const proxy = ctx.start(name, program(ctx), args)
      await ctx.waitForHttp(`${app}/ready`, { process: proxy, accept: (status) => status === 200 })
      const browser = await ctx.browser()
      // What the browser sends under these names must not reach the app.
      await browser.page.setExtraHTTPHeaders(Object.fromEntries(TOLD.map((header) => [header, 'forged'])))
      await work(browser, proxy)
      await browser.close()
      await proxy.stop()
    }
    const signIn = async (browser) => {
      await browser.open(`${app}/some/page?a=b`)
      await browser.reaches(app)
      const { path, headers } = await browser.json()
      check.equal(path, '/some/page?a=b', 'the page that was asked for')
      return headers
    }
    const fetched = (browser, path) => browser.page.evaluate(async (path) => (await fetch(path, { redirect: 'manual' })).status, path)
    const idToken = (headers) => JSON.parse(Buffer.from(headers.authorization.replace(/^Bearer /, '').split('.')[1], 'base64url'))
    const person = ctx.claims(SCOPE)
    let sub

    await withProxy('proxy by sub', ['--config', ctx.file('oauth2-proxy.cfg', settings)], async (browser) => {
      const headers = await signIn(browser)
      sub = check.sub(headers['x-forwarded-user'], 'X-Forwarded-User')
      check.equal(headers['x-forwarded-email'], sub, 'X-Forwarded-Email')
      check.claims(idToken(headers), SCOPE, 'ID token that the app is handed')
      check.equal(idToken(headers).sub, sub, 'sub in the ID token')

      check.equal(await fetched(browser, '/oauth2/auth'), 202, 'the session')
      const link = recipe.block('sign-out.html', {
        [encodeURIComponent('https://login.example.sg')]: encodeURIComponent(bridge.issuer),
        [encodeURIComponent(encodeURIComponent('https://app.example.sg'))]: encodeURIComponent(encodeURIComponent(app)),
      })
      await browser.page.evaluate((html) => (document.body.innerHTML = html), link)
      await browser.click('#sign-out')
      await browser.reaches(`${app}/signed-out`)
      check.equal(browser.visits(`${bridge.issuer}/logout?id_token_hint=ey`), 1, 'visits to the logout of the bridge')
      check.match(bridge.log, /event="session\.ended"/, 'what the bridge says of its session')
      const { headers: nobody } = await browser.json()
      check.equal([nobody['x-forwarded-user'], nobody.authorization], [undefined, undefined], 'whom the app is told of after signing out')
      check.equal(await fetched(browser, '/oauth2/auth'), 401, 'the session after signing out')
      check.equal((await signIn(browser))['x-forwarded-user'], sub, 'sub at the second sign-in')
    })

    const byEmail = settings.replace(knownBySub, recipe.block('with-email.cfg').trim())
    await withProxy('proxy with e-mail', ['--config', ctx.file('with-email.cfg', byEmail)], async (browser) => {
      const headers = await signIn(browser)
      check.equal(headers['x-forwarded-user'], sub, 'X-Forwarded-User')
      check.equal(headers['x-forwarded-email'], person.email, 'X-Forwarded-Email')
    })

    // Why the recipe sets one of the two.
    const neither = settings.replace(knownBySub, '')
    await withProxy('proxy with neither', ['--config', ctx.file('neither.cfg', neither)], async (browser, proxy) => {
      await browser.open(app)
      await browser.reaches(`${app}/oauth2/callback`)
      check.includes(await browser.text(), '403', 'the page that refuses an unverified e-mail address')
      check.match(proxy.output, /email in id_token \(.*\) isn't verified/, "the proxy's log")
    })

    const [core, alpha] = ['core.cfg', 'alpha.yaml'].map((name) => ctx.file(name, recipe.block(name, those(recipe.blocks.get(name)))))
    await withProxy('proxy with headers', ['--config', core, '--alpha-config', alpha], async (browser) => {
      const headers = await signIn(browser)
      check.equal(headers['x-forwarded-user'], sub, 'X-Forwarded-User')
      check.equal(headers['x-forwarded-email'], sub, 'X-Forwarded-Email')
      for (const claim of ['name', 'birthdate', 'gender']) {
        check.equal(headers[`x-sgid-${claim}`], person[claim], `X-Sgid-${claim}`)
      }
    })

    // The recipe warns of this.
    ctx.file('sgid-client-secret', `${ctx.secret}\n`)
    await withProxy('proxy with a newline in its secret', ['--config', ctx.file('oauth2-proxy.cfg', settings)], async (browser) => {
      await browser.open(app)
      await browser.reaches(`${app}/oauth2/callback`)
      check.includes(await browser.text(), '500', 'the page after a wrong secret')
      check.includes(bridge.log, 'invalid_client', "the bridge's log after a wrong secret")
    })
    ctx.file('sgid-client-secret', ctx.secret)

    // Fresh tokens. The client of before, at the same address, may have refresh tokens now.
    await bridge.stop()
    const ofClient = 'scope = "openid profile email"\n'
    const withRefresh = registration.config.replace(ofClient, recipe.block('with-refresh.toml'))
    const { process: renewing } = await ctx.bridge({ ...registration, config: withRefresh, port: bridge.port })
    const refreshes = (outcome) => [...renewing.output.matchAll(new RegExp(`event="refresh" outcome="${outcome}"`, 'g'))].length
    const redis = await startRedis(ctx)
    const fresh = settings.replace(ofClient, recipe.block('with-refresh.cfg', { 'redis://127.0.0.1:6379': redis, '"5m"': `"${RENEWED_AFTER}s"` }))
    // The proxy counts in whole seconds.
    const grown = () => sleep(RENEWED_AFTER * 1000 + 2000)
    const atOnce = (browser) =>
      browser.page.evaluate(() => Promise.all([1, 2, 3, 4, 5].map(async (n) => (await fetch(`/${n}`, { redirect: 'manual' })).status)))
    await withProxy('proxy with fresh tokens', ['--config', ctx.file('with-refresh.cfg', fresh)], async (browser) => {
      const former = idToken(await signIn(browser))
      await grown()
      const renewed = idToken(await signIn(browser))
      check.equal(refreshes('issued'), 1, 'how often the proxy renewed its tokens')
      check.that(renewed.iat > former.iat && renewed.exp > former.exp, 'the ID token that the app is handed is a fresh one')
      check.equal(renewed.auth_time, former.auth_time, 'auth_time in the fresh ID token')
      check.claims(renewed, SCOPE, 'the fresh ID token')
      await grown()
      check.equal(await atOnce(browser), [200, 200, 200, 200, 200], 'five requests at once')
      check.equal([refreshes('issued'), refreshes('reused')], [2, 0], 'how often the proxy renewed its tokens, and in vain')
    })

    // Why the recipe wants Redis.
    const inCookie = fresh.replace(/^(session_store_type|redis_connection_url) = .*\n/gm, '')
    await withProxy('proxy with fresh tokens in cookies', ['--config', ctx.file('in-cookie.cfg', inCookie)], async (browser) => {
      const visitsToSgid = () => browser.visits(`${ctx.mockpass.authorizationEndpoint}?`)
      await signIn(browser)
      await grown()
      check.that((await atOnce(browser)).some((status) => status !== 200), 'five requests at once are not all answered')
      check.that(refreshes('reused') > 0, 'the bridge saw a refresh token used twice')
      check.equal(visitsToSgid(), 1, 'visits to sgID before that')
      await signIn(browser)
      check.equal(visitsToSgid(), 2, 'visits to sgID after it')
    })
  },
}

/** Redis as Debian has it, without the service of the system that its own package starts. */
async function startRedis(ctx) {
  const port = await ctx.freePort()
  // One program under several names.
  const named = path.join(ctx.temp, 'redis-server')
  symlinkSync(ctx.requireProgram('redis-check-rdb', 'apt-get install redis-tools'), named)
  const server = ctx.start('redis', named, ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no'])
  await server.says(/Ready to accept connections/)
  return `redis://127.0.0.1:${port}`
}
