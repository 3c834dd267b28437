import { readFileSync } from 'node:fs'
import path from 'node:path'

const SCOPE = 'openid profile email'

// Serves a folder of flat files, as any web server does.
const SERVER = `
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
const types = { html: 'text/html', js: 'text/javascript' }
createServer((request, response) => {
  const name = new URL(request.url, 'http://localhost').pathname.slice(1) || 'index.html'
  try {
    response.setHeader('content-type', types[name.split('.').pop()] ?? 'text/plain').end(readFileSync(new URL('page/' + name, import.meta.url)))
  } catch {
    response.writeHead(404).end()
  }
}).listen(process.env.PORT, '127.0.0.1')
`

export default {
  product: 'oidc-client-ts',
  title: 'oidc-client-ts',
  version: '3.5.0',
  exercised:
    'a page without a server: public client, discovery, token, userinfo and revocation across origins, PKCE, claims in the page, renewal by refresh token, prompt=none in a frame from the same site and from another, sign-out at the bridge; a response that nobody asked for, an origin that is not registered',

  install: (ctx) => ctx.npm(),

  async run(ctx) {
    const { recipe, check } = ctx
    const port = await ctx.freePort()
    const app = `http://localhost:${port}`
    const config = recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app })
    ctx.file('page/index.html', recipe.block('index.html'))
    const script = 'node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js'
    ctx.file('page/oidc-client-ts.min.js', readFileSync(path.join(ctx.cache, script), 'utf8'))
    ctx.file('serve.mjs', SERVER)
    const server = ctx.start('web server', 'node', ['serve.mjs'], { env: { PORT: String(port) } })
    await ctx.waitForHttp(app, { process: server })

    /** A bridge with this configuration, and the page that is set up for it. */
    const setUp = async (options) => {
      const bridge = await ctx.bridge(options)
      ctx.file('page/app.js', recipe.block('app.js', { 'https://login.example.sg': bridge.issuer, 'https://app.example.sg': app }))
      ctx.file('page/silent.html', recipe.block('silent.html', { 'https://login.example.sg': bridge.issuer }))
      const userinfo = async (token) => (await ctx.request(`${bridge.issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } })).status
      return { ...bridge, log: () => bridge.process.output, userinfo }
    }
    const signIn = async (browser) => {
      await browser.click('#sign-in')
      await browser.see('#sign-out')
      const claims = await claimsIn(browser.page)
      check.claims(claims, SCOPE, 'claims in the page')
      check.equal(browser.url, `${app}/`, 'the address, without the code')
      return claims
    }
    const newTab = async (browser) => {
      const tab = await browser.puppeteer.newPage()
      await tab.goto(app)
      await tab.waitForSelector('#sign-in:not([hidden]), #sign-out:not([hidden])')
      return tab
    }

    // The bridge is another site than the app: 127.0.0.1 and localhost.
    {
      const bridge = await setUp({ config })
      const browser = await ctx.browser({ name: 'another-site' })
      await browser.open(`${app}/?code=ac_0&state=0`)
      await browser.see('#problem:not(:empty)')
      check.includes(await browser.text('#problem'), 'No matching state found', 'the page after a response that nobody asked for')
      await browser.open(app)
      const { sub } = await signIn(browser)
      const tab = await newTab(browser)
      check.equal(await userIn(tab), null, 'who a new tab knows')
      check.equal(await silently(tab, app, bridge, 'openid'), 'login_required', 'the answer in a frame')
      await tab.close()

      const { access_token } = await userIn(browser.page)
      check.equal(await bridge.userinfo(access_token), 200, 'userinfo before the sign-out')
      await signOut(check, browser, app)
      check.equal(await bridge.userinfo(access_token), 401, 'userinfo after the sign-out')
      check.equal(bridge.log().split('event="revocation"').length - 1, 2, 'tokens that were revoked')
      check.includes(bridge.log(), 'event="session.ended"', "the bridge's log after the sign-out")
      const left = browser.trail.findLast((line) => line.startsWith(`GET ${bridge.issuer}/logout?`)).replace('GET ', '')
      const hint = JSON.parse(Buffer.from(new URL(left).searchParams.get('id_token_hint').split('.')[1], 'base64url'))
      check.equal([hint.sub, hint.name, hint.email], [sub, undefined, undefined], 'what the address tells of the person')
      check.equal((await signIn(browser)).sub, sub, 'sub at the second sign-in')
      await bridge.stop()
    }

    // It is the same site: localhost, as the app is. Tokens are renewed three seconds after they came.
    {
      const bridge = await setUp({ config: `[lifetimes]\naccess_token = "63s"\n${config}`, host: 'localhost' })
      const browser = await ctx.browser({ name: 'same-site' })
      const { page } = browser
      await browser.open(app)
      const { sub } = await signIn(browser)
      const first = await userIn(page)
      const renewed = await ctx.until('a renewed token', 20, async () => {
        const user = await userIn(page)
        return user.access_token !== first.access_token && user
      })
      check.claims(renewed.profile, SCOPE, 'claims after the renewal')
      check.equal(renewed.profile.sub, sub, 'sub after the renewal')
      check.that(renewed.refresh_token && renewed.refresh_token !== first.refresh_token, 'the refresh token has a successor')
      check.equal(await bridge.userinfo(renewed.access_token), 200, 'userinfo after the renewal')

      const tab = await newTab(browser)
      check.claims(await claimsIn(tab), 'openid', 'claims in a new tab')
      check.equal((await claimsIn(tab)).sub, sub, 'sub in a new tab')
      check.equal(await silently(tab, app, bridge, SCOPE), 'interaction_required', 'the answer in a frame to more than openid')
      const { access_token } = await userIn(tab)
      await signOut(check, browser, app)
      check.equal(await bridge.userinfo(access_token), 401, "userinfo with the other tab's token after the sign-out")
      check.equal(await silently(tab, app, bridge, 'openid'), 'login_required', 'the answer in a frame after the sign-out')
      await tab.close()

      // A tab and its copy renew with the same token.
      await signIn(browser)
      await page.evaluate(() => window.open(location.href))
      await ctx.until('the bridge to see a refresh token twice', 20, () => bridge.log().includes('event="refresh" outcome="reused"'))
      const ended = await userIn(page)
      check.equal(await bridge.userinfo(ended.access_token), 401, 'userinfo after a refresh token was used twice')
      await bridge.stop()
    }

    {
      const origins = `web_origins = ["${app}"]`
      check.includes(config, origins, 'the recipe')
      await setUp({ config: config.replace(origins, 'web_origins = ["http://localhost:9"]') })
      const browser = await ctx.browser({ name: 'not-registered' })
      await browser.open(app)
      await browser.click('#sign-in')
      await browser.see('#problem:not(:empty)')
      check.includes(await browser.text('#problem'), 'Failed to fetch', 'the page at an origin that is not registered')
      check.equal(await browser.page.$eval('#claims', (it) => it.textContent), '', 'claims in the page at an origin that is not registered')
    }
  },
}

const claimsIn = async (page) => JSON.parse(await page.$eval('#claims', (it) => it.textContent))

/** What the library keeps of the person in this tab. */
const userIn = (page) => page.evaluate(() => JSON.parse(Object.entries(sessionStorage).find(([name]) => name.startsWith('oidc.user:'))?.[1] ?? 'null'))

/** Asks in a hidden frame: the error, or who answered. */
function silently(page, app, { issuer: authority }, scope) {
  const settings = { authority, client_id: 'oidc-client-ts', redirect_uri: `${app}/silent.html` }
  return page.evaluate(
    (settings, scope) => new oidc.UserManager(settings).signinSilent({ scope, forceIframeAuth: true }).then((user) => user.profile, (error) => error.error ?? error.message),
    settings,
    scope,
  )
}

async function signOut(check, browser, app) {
  await browser.page.bringToFront() // a page behind another one draws nothing, and cannot be clicked
  await browser.click('#sign-out')
  await browser.see('#sign-in')
  check.equal(browser.url, `${app}/`, 'where the sign-out ends')
  check.equal(await userIn(browser.page), null, 'what the page keeps after the sign-out')
}
