// Authlib in a Flask app, which is the recipe's own.
import path from 'node:path'

const SCOPE = 'openid profile email'

export default {
  product: 'authlib',
  title: 'Authlib',
  version: '1.9.9',
  exercised: 'discovery, code flow with PKCE and nonce, ID token and userinfo in a Flask app, sign-out with and without sessions at the bridge, refused callbacks',
  aptPackages: { 'import ensurepip, venv': 'python3-venv' },

  async install(ctx) {
    await ctx.pip()
  },

  async run(ctx) {
    const { check } = ctx
    const port = await ctx.freePort()
    const app = `http://localhost:${port}`
    const config = ctx.recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app })
    const secrets = { 'keys/authlib-secret': ctx.secret }
    let bridge = await ctx.bridge({ config, secrets })
    ctx.file('authlib-secret', `${ctx.secret}\n`)
    ctx.file('session-key', 'the session key of a test')
    const file = ctx.file('app.py', ctx.recipe.block('app.py', { 'https://login.example.sg': bridge.issuer, 'https://app.example.sg': app }))
    const python = path.join(await ctx.pip(), 'python')
    const serve = async () => {
      const server = ctx.start('app.py', python, ['-W', 'error::DeprecationWarning', file], { env: { PORT: String(port) } })
      await ctx.waitForHttp(app, { process: server, accept: (status) => status === 200 })
      return server
    }
    let server = await serve()

    const browser = await ctx.browser()
    const signIn = async () => {
      await browser.open(app)
      await browser.click('::-p-text(Sign in with sgID)')
      await browser.click('::-p-text(My data)')
      await browser.reaches(`${app}/me`)
      const person = await browser.json()
      check.claims(person, SCOPE, 'claims in the session')
      return person
    }
    const person = await signIn()
    const used = browser.trail.find((line) => line.startsWith(`GET ${app}/callback?`)).replace('GET ', '')
    check.match(bridge.log, /a code was redeemed/, "the bridge's log")

    await browser.page.reload()
    check.equal(await browser.json(), person, 'claims after a reload')

    const signOut = async () => {
      await browser.open(app)
      await browser.click('::-p-text(Sign out)')
      await browser.see('::-p-text(Sign in with sgID)')
      check.equal(browser.url, `${app}/`, 'where the sign-out ends')
    }
    await signOut()
    check.includes(bridge.log, 'event="session.ended"', "the bridge's log after the sign-out")
    const left = browser.trail.findLast((line) => line.startsWith(`GET ${bridge.issuer}/logout?`)).replace('GET ', '')
    const hint = new URL(left).searchParams.get('id_token_hint').split('.')[1]
    const told = Object.keys(JSON.parse(Buffer.from(hint, 'base64url')))
    check.equal(told.filter((name) => ['name', 'email', 'birthdate'].includes(name)), [], "the person's data in the address")

    // The same answer once more; the answer of a login that this browser did not begin.
    for (const [what, url] of [['a callback that was used', used], ['a foreign callback', `${app}/callback?code=x&state=y`]]) {
      const refused = await browser.page.goto(url)
      check.equal(refused.status(), 403, what)
      await browser.open(app)
      await browser.see('::-p-text(Sign in with sgID)')
    }

    check.equal((await signIn()).sub, person.sub, 'sub at the second sign-in')
    check.that(!server.output.includes('Traceback'), `the app's log is free of exceptions:\n${server.output}`)

    // The same at a bridge without sessions, where nothing but the app can be signed out of.
    await server.stop()
    await bridge.stop()
    const session = '[session]\nenabled = true\n'
    check.includes(config, session, 'the recipe')
    bridge = await ctx.bridge({ config: config.replace(session, ''), secrets, port: bridge.port })
    server = await serve()
    await browser.page.browserContext().deleteMatchingCookies({ url: app, name: 'session' })
    await signIn()
    await signOut()
    check.that(!bridge.log.includes('/logout'), 'a bridge without sessions hears nothing of the sign-out')
    check.that(!server.output.includes('Traceback'), `the app's log is free of exceptions:\n${server.output}`)
  },
}
