const SCOPE = 'openid profile email'

export default {
  product: 'openid-client',
  title: 'openid-client',
  version: '6.9.0',
  exercised: 'discovery, code flow with PKCE and nonce, client_secret_basic, signed ID token, userinfo; a callback that nobody began, a wrong secret',

  install: (ctx) => ctx.npm(),

  async run(ctx) {
    const { recipe, check } = ctx
    const port = await ctx.freePort()
    const app = `http://localhost:${port}`
    const bridge = await ctx.bridge({
      config: recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app }),
      secrets: { 'keys/openid-client-secret': ctx.secret },
    })
    ctx.file('server.mjs', recipe.block('server.mjs', { 'https://login.example.sg': bridge.issuer, 'https://app.example.sg': app }))
    const serve = async (secret) => {
      ctx.file('openid-client-secret', `${secret}\n`)
      const server = ctx.start('server.mjs', 'node', ['server.mjs'], { env: { PORT: String(port) } })
      await ctx.waitForHttp(app, { process: server })
      return server
    }
    const browser = await ctx.browser()
    const signIn = async () => {
      await browser.open(`${app}/login`)
      await browser.reaches(app)
    }

    const server = await serve(ctx.secret)
    await browser.open(`${app}/callback?code=ac_0&state=0`)
    check.includes(await browser.text(), 'this browser has not begun a login here', 'the page after a callback that nobody began')
    await browser.open(app)
    await browser.click('a')
    await browser.reaches(`${app}/`)
    const claims = await browser.json()
    check.claims(claims, SCOPE, 'userinfo')
    await signIn()
    check.equal((await browser.json()).sub, claims.sub, 'sub at the second sign-in')
    await server.stop()

    await serve('not-the-secret-of-this-client-0123456789')
    await signIn()
    check.includes(await browser.text(), 'The sign-in failed: OAUTH_WWW_AUTHENTICATE_CHALLENGE', 'the page after a wrong secret')
    check.includes(bridge.log, 'invalid_client: client authentication failed', "the bridge's log after a wrong secret")
  },
}
