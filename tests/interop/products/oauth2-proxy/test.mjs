import { readFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import path from 'node:path'

const SCOPE = 'openid profile email'
const MODULE = 'github.com/oauth2-proxy/oauth2-proxy/v7'
const TOLD = ['x-forwarded-user', 'x-forwarded-email', 'x-sgid-name', 'x-sgid-birthdate', 'x-sgid-gender']
const GO = 'install Go 1.26 or newer from https://go.dev/dl; what Debian has is too old'

const program = (ctx) => path.join(ctx.cache, 'oauth2-proxy')

export default {
  product: 'oauth2-proxy',
  title: 'oauth2-proxy',
  version: '7.15.6',
  exercised:
    'discovery, code flow with PKCE and nonce, client_secret_basic, userinfo; people known by sub, by an unverified e-mail address, claims as headers; an e-mail address refused as unverified; sign-out; a wrong secret',
  runMinutes: 5,

  async install(ctx) {
    const go = ctx.requireProgram('go', GO)
    const pinned = ['go.mod', 'go.sum'].map((name) => readFileSync(path.join(ctx.folder, name), 'utf8')).join('')
    ctx.check.that(pinned.includes(`${MODULE} v${this.version}`), `go.mod pins ${this.version}`)
    await ctx.once('built', pinned, () =>
      // -p=1: whatever else builds on this machine comes first.
      ctx.exec('go build', 'nice', ['-n', '19', go, 'build', '-p', '1', '-mod=readonly', '-buildvcs=false', '-o', program(ctx), MODULE], {
        cwd: ctx.folder,
        seconds: 1150,
      }),
    )
  },

  async run(ctx) {
    const { recipe, check } = ctx
    const [port, appPort] = [await ctx.freePort(), await ctx.freePort()]
    const app = `http://localhost:${port}`
    const bridge = await ctx.bridge({
      config: recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app }),
      secrets: { 'keys/oauth2-proxy-secret': ctx.secret },
    })

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
      '/etc/oauth2-proxy/sgid-client-secret': file('sgid-client-secret'),
      '/etc/oauth2-proxy/cookie-secret': file('cookie-secret'),
      '127.0.0.1:4180': `127.0.0.1:${port}`,
      'http://127.0.0.1:3000/': `http://127.0.0.1:${appPort}/`,
    }
    /** The examples that are in this text. */
    const those = (text) => Object.fromEntries(Object.entries(examples).filter(([example]) => text?.includes(example)))
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
      // Not followed: the proxy would sign in anew at once.
      await fetched(browser, '/oauth2/sign_out')
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
  },
}
