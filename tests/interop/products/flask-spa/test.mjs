// The app of examples/flask-spa, run from its folder, in a browser.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { inRepository } from '../../lib/places.mjs'
import { Liar, LIES, Visitor } from './liar.mjs'

const EXAMPLE = inRepository('examples/flask-spa')
const SCOPE = 'openid myinfo.name'

export default {
  product: 'flask-spa',
  title: 'Flask single-page app',
  version: 'Flask 3.1.3 and Authlib 1.9.9',
  exercised: "the app of sgID's own guide on plain OpenID Connect: state that carries a value, PKCE, tokens on the server, login by mouse, keyboard and phone, logout of app and bridge, refused callbacks",
  aptPackages: { 'import ensurepip, venv': 'python3-venv' },

  async install(ctx) {
    const requirements = path.join(EXAMPLE, 'requirements.txt')
    await ctx.once('pip', readFileSync(requirements, 'utf8'), async () => {
      const venv = path.join(ctx.cache, 'venv')
      await ctx.exec('python3 -m venv', 'python3', ['-m', 'venv', '--clear', venv], { seconds: 120 })
      const args = ['install', '--quiet', '--disable-pip-version-check', '--require-hashes', '--requirement', requirements]
      await ctx.exec('pip install', path.join(venv, 'bin/pip'), args, { seconds: 900 })
    })
  },

  async run(ctx) {
    const { check } = ctx
    const port = await ctx.freePort()
    const app = `http://localhost:${port}`
    const config = ctx.recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app })
    const secrets = { 'keys/ice-cream-secret': ctx.secret }
    let bridge = await ctx.bridge({ config, secrets })
    const settings = ctx.recipe.block('flask-spa.env', {
      'https://app.example.sg': app,
      'https://login.example.sg': bridge.issuer,
      'keys/ice-cream-secret': path.join(bridge.folder, 'keys/ice-cream-secret'),
      5001: String(port),
    })
    recipeQuotesTheApp(ctx)
    const environment = Object.fromEntries(settings.trim().split('\n').map((line) => line.split(/=(.*)/, 2)))
    let server = await startApp(ctx, app, environment)

    const browser = await ctx.browser()
    const { page } = browser
    const name = ctx.claims(SCOPE)['myinfo.name']
    const userinfo = () => page.evaluate(async () => (await fetch('/api/userinfo')).json())
    const cookie = async () => (await page.browserContext().cookies()).find((it) => it.name === 'ice-cream')
    const isServed = async (flavour, by = browser) => {
      check.equal((await by.text('#served h1')).replace(/\s+/g, ' '), `Hello, ${name}`, 'the greeting')
      check.equal(await by.text('#ice-cream'), flavour, 'the ice cream on the page')
    }

    // Choose, log in, and be known.
    await browser.open(app)
    await browser.click('::-p-text(Pandan)')
    await browser.screenshot(path.join(ctx.cache, 'welcome.png'))
    await looksRight(check, browser)
    const [ordered] = await Promise.all([
      page.waitForRequest((request) => request.url().startsWith(`${bridge.issuer}/authorize?`)),
      browser.click('button::-p-text(Login with Singpass app)'),
    ])
    await isServed('Pandan')
    await browser.screenshot(path.join(ctx.cache, 'served.png'))
    await looksRight(check, browser)
    check.equal(browser.url, `${app}/`, 'where one is served')
    const person = await userinfo()
    check.equal(person, { sub: check.sub(person.sub), name, iceCream: 'Pandan' }, 'what /api/userinfo says')
    check.equal(await browser.text('#sub'), person.sub, 'the identifier on the page')

    // What was asked.
    const asked = new URL(ordered.url()).searchParams
    check.equal(asked.get('scope'), SCOPE, 'the scope asked for')
    check.equal(asked.get('code_challenge_method'), 'S256', 'the PKCE method')
    check.that(asked.get('nonce'), 'a nonce is sent')
    const state = new URLSearchParams(asked.get('state'))
    check.equal(state.get('icecream'), 'Pandan', 'the flavour in state')
    check.match(state.get('random'), /^[A-Za-z0-9]{32}$/, 'the random part of state')

    // The browser holds a random name, which no script can read, and nothing else.
    const signedIn = await cookie()
    check.match(signedIn.value, /^[A-Za-z0-9_-]{43}$/, 'the cookie')
    check.equal([signedIn.httpOnly, signedIn.sameSite], [true, 'Lax'], 'who may read and send the cookie')
    check.equal(await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]), ['', 0, 0], 'what scripts can read')

    // A reload keeps the login; logging out ends it, for whoever kept the cookie too.
    await page.reload()
    await isServed('Pandan')
    check.equal(await userinfo(), person, 'what /api/userinfo says after a reload')
    const kept = { Cookie: `ice-cream=${signedIn.value}` }
    check.equal((await ctx.request(`${app}/api/userinfo`, { headers: kept })).status, 200, 'userinfo with the cookie')
    check.equal((await ctx.request(`${app}/api/logout`, { headers: kept })).status, 405, 'logout by a link')
    await browser.click('button::-p-text(Log out)')
    await browser.see('#login')
    check.equal(browser.url, `${app}/`, 'where one is after logging out')
    check.includes(bridge.log, 'event="session.ended"', "the bridge's log after logging out")
    const left = browser.trail.findLast((line) => line.startsWith(`GET ${bridge.issuer}/logout?`)).replace('GET ', '')
    const hint = JSON.parse(Buffer.from(new URL(left).searchParams.get('id_token_hint').split('.')[1], 'base64url'))
    check.equal([hint.sub, hint['myinfo.name']], [person.sub, undefined], 'what the address tells of the person')
    check.that(!(await cookie()), 'the cookie is gone')
    check.equal((await ctx.request(`${app}/api/userinfo`, { headers: kept })).status, 401, 'userinfo with the old cookie')

    // A callback with another state is refused, and so is another browser's; the very same, as it was, is not.
    const answer = await answerOfTheBridge(browser, app, 'Yam')
    const waiting = await cookie()
    const changed = new URL(answer)
    changed.searchParams.set('state', answer.searchParams.get('state').replace('Yam', 'Chocolate'))
    check.that(changed.href !== answer.href, 'the state is changed')
    await refusedWith(check, browser, changed.href, 'does not belong to this browser')
    const stranger = await ctx.browser({ name: 'stranger' })
    await refusedWith(check, stranger, answer.href, 'does not belong to this browser')
    await browser.open(answer.href)
    await isServed('Yam')
    check.that((await cookie()).value !== waiting.value, 'the session has another name after the login')
    check.equal((await userinfo()).sub, person.sub, 'sub at the second login')
    const again = await stranger.page.goto(`${app}/api/userinfo`)
    check.equal(again.status(), 401, "userinfo for the stranger's browser")

    // A person who declines; a flavour that is none; an answer of another provider.
    await refusedWith(check, stranger, `${app}/api/redirect?error=access_denied&state=x&iss=${bridge.issuer}`, 'You did not agree')
    check.equal((await ctx.request(`${app}/api/auth-url?icecream=Tar`)).status, 400, 'an unknown flavour')
    const mixedUp = await answerOfTheBridge(stranger, app, 'Strawberry')
    mixedUp.searchParams.set('iss', 'https://other.test')
    await refusedWith(check, stranger, mixedUp.href, 'The login did not work')

    // A phone, and the keyboard alone.
    const phone = await ctx.browser({ name: 'phone' })
    await phone.page.setViewport({ width: 360, height: 760, deviceScaleFactor: 2, isMobile: true, hasTouch: true })
    await phone.open(app)
    await phone.see('#login')
    await phone.page.keyboard.press('Tab')
    await phone.page.keyboard.press('ArrowDown')
    await phone.page.keyboard.press('ArrowDown')
    await phone.screenshot(path.join(ctx.cache, 'welcome-phone.png'))
    await looksRight(check, phone)
    await phone.page.keyboard.press('Tab')
    await phone.page.keyboard.press('Enter')
    await isServed('Strawberry', phone)
    await phone.screenshot(path.join(ctx.cache, 'served-phone.png'))
    await looksRight(check, phone)

    check.that(!server.output.includes('Traceback'), `the app's log is free of exceptions:\n${server.output}`)
    for (const secret of [ctx.secret, name, person.sub]) check.that(!server.output.includes(secret), "the app's log is free of secrets and persons")

    // A bridge without sessions: the page stays where it is.
    await server.stop()
    await bridge.stop()
    const session = '[session]\nenabled = true\n'
    check.includes(config, session, 'the recipe')
    bridge = await ctx.bridge({ config: config.replace(session, ''), secrets, port: bridge.port })
    server = await startApp(ctx, app, environment)
    await browser.open(app)
    await browser.click('::-p-text(Pandan)')
    await browser.click('#login')
    await isServed('Pandan')
    await browser.click('button::-p-text(Log out)')
    await browser.see('#login')
    check.equal(await page.evaluate(() => document.activeElement.textContent), 'What will it be?', 'where the focus is after logging out')
    check.that(!bridge.log.includes('/logout'), 'a bridge without sessions hears nothing of it')
    await page.reload()
    await browser.see('#login')
    check.that(!(await cookie()), 'the cookie is gone')

    await believesNoLies(ctx, environment)
  },
}

/** The pieces of Python that the recipe explains stand in the app. */
function recipeQuotesTheApp(ctx) {
  const lines = (text) => text.split('\n').map((line) => line.replace(/ {2}# .*/, '').trim())
  const app = new Set(lines(readFileSync(path.join(EXAMPLE, 'app.py'), 'utf8')))
  const pieces = [...ctx.recipe.text.matchAll(/^```python\n(.*?)^```$/gms)].flatMap(([, piece]) => lines(piece))
  ctx.check.that(pieces.length > 10, 'the recipe explains pieces of the app')
  ctx.check.equal(pieces.filter((line) => !app.has(line)), [], 'lines of the recipe that are not in app.py')
}

async function startApp(ctx, app, env) {
  const server = ctx.start('app.py', path.join(ctx.cache, 'venv/bin/python'), ['-B', '-W', 'error::DeprecationWarning', 'app.py'], { cwd: EXAMPLE, env })
  await ctx.waitForHttp(app, { process: server, accept: (status) => status === 200 })
  return server
}

/** The same app in front of a provider that lies: one login for each lie, by plain requests. */
async function believesNoLies(ctx, settings) {
  const liar = await new Liar(settings.CLIENT_ID).start()
  try {
    const port = await ctx.freePort()
    const app = `http://localhost:${port}`
    await startApp(ctx, app, { ...settings, ISSUER: liar.issuer, APP_URL: app, PORT: String(port) })
    for (const lie of Object.keys(LIES)) {
      liar.lie = lie
      const visitor = new Visitor(ctx)
      const { url } = JSON.parse((await visitor.open(`${app}/api/auth-url?icecream=Yam`)).text)
      const { location: back } = (await visitor.open(url)).headers
      const { location } = (await visitor.open(back)).headers
      const { status } = await visitor.open(`${app}/api/userinfo`)
      const wanted = lie === 'the truth' ? ['/', 200] : ['/?problem=failed', 401]
      ctx.check.equal([location, status], wanted, `where a login with ${lie} leads`)
    }
  } finally {
    liar.stop()
  }
}

/** Logs in, but keeps the bridge's answer from the app: the address that it would have come to. */
async function answerOfTheBridge(browser, app, flavour) {
  const { page } = browser
  let answer
  const hold = (request) => {
    if (!request.url().startsWith(`${app}/api/redirect`)) return request.continue()
    answer = new URL(request.url())
    return request.respond({ status: 200, contentType: 'text/plain', body: 'held' })
  }
  await browser.open(app)
  await browser.click(`::-p-text(${flavour})`)
  await page.setRequestInterception(true)
  page.on('request', hold)
  try {
    await browser.click('#login')
    await browser.reaches(`${app}/api/redirect`)
    await browser.see('::-p-text(held)')
  } finally {
    page.off('request', hold)
    await page.setRequestInterception(false)
  }
  return answer
}

/** The person is told, can try again, and is not logged in. */
async function refusedWith(check, browser, url, message) {
  await browser.open(url)
  check.includes(await browser.text('[role=alert]'), message, 'what the person is told')
  await browser.see('#login')
  const status = await browser.page.evaluate(async () => (await fetch('/api/userinfo')).status)
  check.equal(status, 401, 'userinfo after a refused callback')
}

/** Nothing is wider than the screen, and everything that one can use has a name. */
async function looksRight(check, browser) {
  const { page } = browser
  const [wanted, there] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  check.that(wanted <= there, `the page of ${wanted} pixels fits the screen of ${there}`)
  const cut = await page.$$eval('main *', (all) => all.filter((it) => it.clientWidth && it.scrollWidth > it.clientWidth).map((it) => it.outerHTML))
  check.equal(cut, [], 'elements whose text is wider than they are')
  const names = await page.$$eval('main button, main input', (all) =>
    all.filter((it) => it.checkVisibility()).map((it) => it.labels?.[0]?.textContent || it.textContent))
  check.that(names.length > 0 && names.every((it) => it.trim()), `everything that one can use has a name: ${names}`)
  check.equal(await page.$$eval('h1', (all) => all.filter((it) => it.checkVisibility()).length), 1, 'headings of the first level')
}
