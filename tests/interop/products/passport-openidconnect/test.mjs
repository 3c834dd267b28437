const SCOPE = 'openid profile email'

export default {
  product: 'passport-openidconnect',
  title: 'passport-openidconnect',
  version: '0.1.2',
  exercised: 'Express app without discovery and without PKCE, nonce, client_secret_post, userinfo; a person who declines, a request without a nonce, a wrong secret',

  install: (ctx) => ctx.npm(),

  async run(ctx) {
    const { recipe, check } = ctx
    const port = await ctx.freePort()
    const app = `http://localhost:${port}`
    const bridge = await ctx.bridge({
      config: recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app }),
      secrets: { 'keys/passport-secret': ctx.secret },
    })
    const serve = async (code, secret) => {
      ctx.file('server.mjs', code)
      const env = { PORT: String(port), CLIENT_SECRET: secret, SESSION_SECRET: 'only-for-this-test' }
      const server = ctx.start('server.mjs', 'node', ['server.mjs'], { env })
      await ctx.waitForHttp(app, { process: server })
      return server
    }
    const code = recipe.block('server.mjs', { 'https://login.example.sg': bridge.issuer, 'https://app.example.sg': app })
    const browser = await ctx.browser()

    let server = await serve(code, ctx.secret)
    await browser.open(app)
    await browser.click('a')
    await browser.reaches(`${app}/`)
    const user = await browser.json()
    check.claims(user.claims, SCOPE, 'userinfo')
    check.equal(user.account, user.claims.sub, 'the account')
    check.equal(user.name, ctx.claims('profile').name, 'the name in the profile of Passport')
    await browser.open(`${app}/login`)
    await browser.reaches((url) => url === `${app}/`)
    check.equal((await browser.json()).account, user.account, 'the account at the second sign-in')
    await browser.open(`${app}/login/callback?error=access_denied&state=0`)
    check.includes(await browser.text(), 'You did not sign in', 'the page after a refusal by the person')
    await server.stop()

    server = await serve(code, 'not-the-secret-of-this-client-0123456789')
    await browser.open(`${app}/login`)
    check.includes(await browser.text(), 'The sign-in failed: invalid_client', 'the page after a wrong secret')
    await server.stop()

    // What protects the login without PKCE is not optional.
    check.includes(code, 'nonce: true', 'the recipe')
    await serve(code.replace('nonce: true', 'nonce: false'), ctx.secret)
    await browser.open(`${app}/login`)
    check.includes(await browser.text(), 'The sign-in failed: invalid_request', 'the page after a request without a nonce')
  },
}
