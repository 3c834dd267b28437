const SCOPE = 'openid profile email'

export default {
  product: 'passport-openidconnect',
  title: 'passport-openidconnect',
  version: '0.1.2',
  exercised: 'Express app without discovery and without PKCE, nonce, client_secret_post, userinfo, prompt=login, the claims parameter, sign-out of app and bridge; a person who declines, a request without a nonce, a wrong secret',

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
    const me = async () => {
      await browser.reaches((url) => url === `${app}/`)
      await browser.click('::-p-text(My data)')
      await browser.reaches(`${app}/me`)
      return browser.json()
    }
    await browser.open(app)
    await browser.click('a')
    const user = await me()
    check.claims(user.claims, SCOPE, 'userinfo')
    check.equal(user.account, user.claims.sub, 'the account')
    check.equal(user.name, ctx.claims('profile').name, 'the name in the profile of Passport')

    // A new sign-in, which the bridge's session does not spare.
    await browser.open(app)
    await ctx.until('the next second', 3, () => Date.now() > Date.parse(user.signedInAt) + 1000)
    await browser.click('::-p-text(Show that it is me)')
    await browser.reaches(`${bridge.issuer}/authorize`)
    check.includes(await browser.text(), 'Passport app asks you to show once more that it is you', 'what the bridge asks')
    await browser.click('#continue')
    const again = await me()
    check.equal(again.account, user.account, 'the account at the second sign-in')
    check.that(Date.parse(again.signedInAt) > Date.parse(user.signedInAt), `${again.signedInAt} is later than ${user.signedInAt}`)

    await browser.open(app)
    await browser.click('::-p-text(Sign out)')
    await browser.see('::-p-text(Sign in with sgID)')
    check.equal(browser.url, `${app}/`, 'where the sign-out ends')
    check.includes(bridge.log, 'event="session.ended"', "the bridge's log after the sign-out")
    await browser.open(`${app}/login/callback?error=access_denied&state=0`)
    check.includes(await browser.text(), 'You did not sign in', 'the page after a refusal by the person')
    await server.stop()

    server = await serve(code, 'not-the-secret-of-this-client-0123456789')
    await browser.open(`${app}/login`)
    check.includes(await browser.text(), 'The sign-in failed: invalid_client', 'the page after a wrong secret')
    await server.stop()

    // The name alone.
    const single = 'claims: { userinfo: { name: null } }'
    check.includes(recipe.text, single, 'the recipe')
    check.match(code, /^ +scope: 'profile email',.*$/m, 'the recipe')
    server = await serve(code.replace(/^ +scope: 'profile email',.*$/m, `${single},`), ctx.secret)
    await browser.open(`${app}/login`)
    check.equal((await me()).claims, { sub: user.account, name: user.name }, 'the claims where the name was asked for alone')
    await server.stop()

    // What protects the login without PKCE is not optional.
    check.includes(code, 'nonce: true', 'the recipe')
    await serve(code.replace('nonce: true', 'nonce: false'), ctx.secret)
    await browser.open(`${app}/login`)
    check.includes(await browser.text(), 'The sign-in failed: invalid_request', 'the page after a request without a nonce')
  },
}
