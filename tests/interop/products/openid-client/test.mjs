import { renameSync } from 'node:fs'
import path from 'node:path'

const SCOPE = 'openid profile email'

export default {
  product: 'openid-client',
  title: 'openid-client',
  version: '6.9.0',
  exercised:
    'discovery, code flow with PKCE and nonce, client_secret_basic, signed ID token, userinfo; a callback that nobody began, a wrong secret; a stricter client: private_key_jwt, PAR, signed userinfo, refresh, introspection, revocation, logout',

  install: (ctx) => ctx.npm(),

  async run(ctx) {
    const port = await ctx.freePort()
    const app = `http://localhost:${port}`
    ctx.file('server.mjs', ctx.recipe.block('server.mjs', { 'https://app.example.sg': app }))
    const serve = async () => {
      const server = ctx.start('server.mjs', 'node', ['server.mjs'], { env: { PORT: String(port) } })
      await ctx.waitForHttp(app, { process: server })
      return server
    }
    await withASecret(ctx, app, serve)
    await stricter(ctx, app, serve)
  },
}

async function withASecret(ctx, app, serve) {
  const { recipe, check } = ctx
  const bridge = await ctx.bridge({
    config: recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app }),
    secrets: { 'keys/openid-client-secret': ctx.secret },
  })
  ctx.file('sgid.mjs', recipe.block('sgid.mjs', { 'https://login.example.sg': bridge.issuer, 'https://app.example.sg': app }))
  ctx.file('openid-client-secret', `${ctx.secret}\n`)
  let server = await serve()
  const browser = await ctx.browser()
  await browser.open(`${app}/callback?code=ac_0&state=0`)
  check.includes(await browser.text(), 'this browser has not begun a login here', 'the page after a callback that nobody began')
  await browser.open(app)
  await browser.click('a')
  const claims = await myData(browser, app)
  check.claims(claims, SCOPE, 'userinfo')
  await signOut(browser, app)
  check.equal(await browser.text(), 'Sign in with sgID', 'the page after signing out')
  await browser.open(`${app}/login`)
  check.equal((await myData(browser, app)).sub, claims.sub, 'sub at the second sign-in')
  await server.stop()

  ctx.file('openid-client-secret', 'not-the-secret-of-this-client-0123456789')
  server = await serve()
  await browser.open(`${app}/login`)
  check.includes(await browser.text(), 'That did not work: OAUTH_WWW_AUTHENTICATE_CHALLENGE', 'the page after a wrong secret')
  check.includes(bridge.log, 'invalid_client: client authentication failed', "the bridge's log after a wrong secret")
  await server.stop()
  await bridge.stop()
}

async function stricter(ctx, app, serve) {
  const { recipe, check } = ctx
  ctx.file('make-key.mjs', recipe.block('make-key.mjs'))
  const jwks = await ctx.exec('make-key.mjs', 'node', ['make-key.mjs'])
  const config = recipe.block('strict.toml', {
    'https://app.example.sg': app,
    'jwks = { keys = [{ kty = "EC", crv = "P-256", x = "...", y = "..." }] }': jwks.trim(),
  })
  let bridge = await ctx.bridge({ config })
  ctx.file('sgid.mjs', recipe.block('strict.mjs', { 'https://login.example.sg': bridge.issuer, 'https://app.example.sg': app }))
  let server = await serve()
  const browser = await ctx.browser({ name: 'stricter' })
  const signIn = async () => {
    const before = browser.trail.length
    await browser.open(app)
    await browser.click('a')
    const claims = await myData(browser, app)
    check.claims(claims, SCOPE, 'signed userinfo')
    const went = browser.trail.slice(before).find((it) => it.includes(`${bridge.issuer}/authorize`))
    check.equal([...new URL(went.split(' ')[1]).searchParams.keys()].sort(), ['client_id', 'request_uri'], 'what the address of a pushed request shows')
    return claims
  }

  const claims = await signIn()
  check.that(!bridge.log.includes('event="refresh"'), 'no token is renewed before its time')

  // Out at the bridge and back, without a question.
  await signOut(browser, app)
  check.equal(await browser.text(), 'Sign in with sgID', 'the page after signing out')
  const logout = browser.trail.findLast((it) => it.includes(`${bridge.issuer}/logout`))
  const hint = JSON.parse(Buffer.from(new URL(logout.split(' ')[1]).searchParams.get('id_token_hint').split('.')[1], 'base64url'))
  check.equal([hint.sub, hint.name, hint.email], [claims.sub, undefined, undefined], 'what the hint tells of the person')
  check.includes(bridge.log, 'event="session.ended"', "the bridge's log after signing out")
  check.includes(bridge.log, 'event="revocation"', "the bridge's log after signing out")

  // Out in another app: the next look at the claims finds out.
  await signIn()
  const other = await browser.puppeteer.newPage()
  await other.goto(`${bridge.issuer}/logout`)
  await Promise.all([other.waitForNavigation(), other.click('#continue')])
  await other.close()
  await browser.open(`${app}/claims`)
  check.equal([browser.url, await browser.text()], [`${app}/`, 'Sign in with sgID'], 'the page after signing out elsewhere')

  // What is not pushed is refused, and so is who has another key.
  const plain = await ctx.request(`${bridge.issuer}/authorize?client_id=openid-client&response_type=code&scope=openid&redirect_uri=${app}/callback`)
  check.includes(plain.headers.location, 'error=invalid_request', 'the answer to a request that was not pushed')
  await server.stop()
  renameSync(path.join(ctx.temp, 'openid-client-key.json'), path.join(ctx.temp, 'registered-key.json'))
  await ctx.exec('make-key.mjs', 'node', ['make-key.mjs'])
  server = await serve()
  await browser.open(`${app}/login`)
  check.includes(await browser.text(), 'That did not work: invalid_client', 'the page with another key')
  check.includes(bridge.log, 'reason=its signature is wrong', "the bridge's log with another key")
  await server.stop()
  renameSync(path.join(ctx.temp, 'registered-key.json'), path.join(ctx.temp, 'openid-client-key.json'))

  // Tokens that are in their last minute from the beginning, so that every look at the claims renews them.
  await bridge.stop()
  bridge = await ctx.bridge({ config: `[lifetimes]\naccess_token = "60s"\n${config}`, port: bridge.port })
  server = await serve()
  check.equal((await signIn()).name, claims.name, 'the name after the first renewal')
  await browser.page.reload()
  check.claims(await browser.json(), SCOPE, 'signed userinfo after the second renewal')
  const both = await browser.page.evaluate(() => Promise.all(['', ''].map(async () => (await fetch('/claims')).json())))
  for (const one of both) check.claims(one, SCOPE, 'signed userinfo of two looks at a time')
  check.that(bridge.log.split('event="refresh" outcome="issued"').length > 3, 'tokens were renewed three times at least')
  check.that(!bridge.log.includes('outcome="reused"'), 'no refresh token was used twice')

  // A bridge that knows nothing of the refresh token.
  await bridge.stop()
  bridge = await ctx.bridge({ config, port: bridge.port })
  await browser.open(`${app}/claims`)
  check.equal([browser.url, await browser.text()], [`${app}/`, 'Sign in with sgID'], 'the page after a renewal that was refused')
  await server.stop()
}

/** Signed in, and further to the claims. */
async function myData(browser, app) {
  await browser.reaches((url) => url === `${app}/`)
  await browser.click('::-p-text(My data)')
  await browser.reaches(`${app}/claims`)
  return browser.json()
}

async function signOut(browser, app) {
  await browser.open(app)
  await browser.click('::-p-text(Sign out)')
  await browser.see('::-p-text(Sign in with sgID)')
  await browser.reaches((url) => url === `${app}/`)
}
