// Authlib in a Flask app, which is the recipe's own.
import path from 'node:path'

const SCOPE = 'openid profile email'

export default {
  product: 'authlib',
  title: 'Authlib',
  version: '1.9.9',
  exercised: 'discovery, code flow with PKCE and nonce, ID token and userinfo in a Flask app, refused callbacks',
  aptPackages: { python3: 'python3-venv' },

  async install(ctx) {
    await ctx.pip()
  },

  async run(ctx) {
    const { check } = ctx
    const port = await ctx.freePort()
    const app = `http://localhost:${port}`
    const bridge = await ctx.bridge({
      config: ctx.recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app }),
      secrets: { 'keys/authlib-secret': ctx.secret },
    })
    ctx.file('authlib-secret', `${ctx.secret}\n`)
    ctx.file('session-key', 'the session key of a test')
    const file = ctx.file('app.py', ctx.recipe.block('app.py', { 'https://login.example.sg': bridge.issuer, 'https://app.example.sg': app }))
    const python = path.join(await ctx.pip(), 'python')
    const server = ctx.start('app.py', python, ['-W', 'error::DeprecationWarning', file], { env: { PORT: String(port) } })
    await ctx.waitForHttp(app, { process: server, accept: (status) => status === 200 })

    const browser = await ctx.browser()
    const signIn = async () => {
      await browser.open(app)
      await browser.click('::-p-text(Sign in with sgID)')
      await browser.reaches((url) => url === `${app}/`)
      const person = await browser.json()
      check.claims(person, SCOPE, 'claims in the session')
      return person
    }
    const person = await signIn()
    const used = browser.trail.find((line) => line.startsWith(`GET ${app}/callback?`)).replace('GET ', '')
    check.match(bridge.log, /a code was redeemed/, "the bridge's log")

    await browser.page.reload()
    check.equal(await browser.json(), person, 'claims after a reload')

    await browser.page.evaluate(() => fetch('/logout', { method: 'POST' }))
    await browser.page.reload()
    await browser.see('::-p-text(Sign in with sgID)')

    // The same answer once more; the answer of a login that this browser did not begin.
    for (const [what, url] of [['a callback that was used', used], ['a foreign callback', `${app}/callback?code=x&state=y`]]) {
      const refused = await browser.page.goto(url)
      check.equal(refused.status(), 403, what)
      await browser.open(app)
      await browser.see('::-p-text(Sign in with sgID)')
    }

    check.equal((await signIn()).sub, person.sub, 'sub at the second sign-in')
    check.that(!server.output.includes('Traceback'), `the app's log is free of exceptions:\n${server.output}`)
  },
}
