const SCOPE = 'openid profile email'

export default {
  product: 'authjs',
  title: 'Auth.js',
  version: '0.12.3',
  exercised: '@auth/express: provider of type oidc by discovery, PKCE, state and nonce, client_secret_basic, claims of the ID token in the session, sign-out of app and bridge; a wrong secret',

  install: (ctx) => ctx.npm(),

  async run(ctx) {
    const { recipe, check } = ctx
    const port = await ctx.freePort()
    const app = `http://localhost:${port}`
    const bridge = await ctx.bridge({
      config: recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app }),
      secrets: { 'keys/authjs-secret': ctx.secret },
    })
    ctx.file('auth.config.mjs', recipe.block('auth.config.mjs', { 'https://login.example.sg': bridge.issuer }))
    ctx.file('server.mjs', recipe.block('server.mjs', { 'https://app.example.sg': app }))
    const serve = async (secret) => {
      const env = { PORT: String(port), AUTH_SECRET: 'only-for-this-test-only-for-this-test', SGID_CLIENT_SECRET: secret, NODE_ENV: 'production' }
      const server = ctx.start('server.mjs', 'node', ['server.mjs'], { env })
      await ctx.waitForHttp(app, { process: server })
      return server
    }
    const browser = await ctx.browser()
    const signIn = async () => {
      await browser.open(`${app}/auth/signin`)
      await browser.click('::-p-text(Sign in with sgID)')
    }
    const atHome = (url) => url === `${app}/` || url === app
    const mySession = async () => {
      await browser.reaches(atHome)
      await browser.click('::-p-text(My session)')
      await browser.reaches(`${app}/auth/session`)
      return browser.json()
    }

    const server = await serve(ctx.secret)
    await browser.open(app)
    await browser.click('a')
    await browser.click('::-p-text(Sign in with sgID)')
    const session = await mySession()
    check.claims(session.person, SCOPE, 'claims in the session')
    const { name, email } = ctx.claims(SCOPE)
    check.equal(session.user.name, name, 'the name in the session')
    check.equal(session.user.email, email, 'the e-mail address in the session')

    await browser.open(app)
    await browser.click('::-p-text(Sign out)')
    await browser.reaches(`${app}/auth/signout`)
    await browser.click('button[type=submit]')
    await browser.reaches(`${bridge.issuer}/logout`)
    check.includes(await browser.text(), 'Auth.js app asks to sign you out', 'what the bridge asks')
    check.that(!bridge.log.includes('event="session.ended"'), 'nobody is signed out before they are asked')
    await browser.click('#continue')
    await browser.reaches(atHome)
    check.equal(await browser.text(), 'Sign in', 'the page after the sign-out')
    check.includes(bridge.log, 'event="session.ended"', "the bridge's log after the sign-out")

    await signIn()
    check.equal((await mySession()).person.sub, session.person.sub, 'sub at the second sign-in')
    await server.stop()

    const wrong = await serve('not-the-secret-of-this-client-0123456789')
    await signIn()
    await browser.reaches(`${app}/auth/error`)
    check.includes(browser.url, 'error=Configuration', 'the address after a wrong secret')
    check.includes(wrong.output, 'WWWAuthenticateChallengeError', "the app's log after a wrong secret")
  },
}
