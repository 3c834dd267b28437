// mozilla-django-oidc in a project as `django-admin startproject` makes it, with the recipe's settings, backend and template.
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Liar, LIES, Visitor } from '../flask-spa/liar.mjs'

const SCOPE = 'openid profile email'

export default {
  product: 'mozilla-django-oidc',
  title: 'mozilla-django-oidc',
  version: '5.0.2',
  exercised: 'code flow with PKCE and nonce in a Django 5.2 site, RS256 by JWKS, users by `sub` and not by e-mail, sign-out of site and bridge, signing in again',
  aptPackages: { 'import ensurepip, venv': 'python3-venv' },

  async install(ctx) {
    await ctx.pip()
  },

  async run(ctx) {
    const { check } = ctx
    const python = path.join(await ctx.pip(), 'python')
    const port = await ctx.freePort()
    const app = `http://localhost:${port}`
    const bridge = await ctx.bridge({
      config: ctx.recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app }),
      secrets: { 'keys/django-secret': ctx.secret },
    })

    const site = path.join(ctx.temp, 'site')
    mkdirSync(site)
    const manage = (...args) => ctx.exec(`manage.py ${args[0]}`, python, ['manage.py', ...args], { cwd: site })
    await ctx.exec('startproject', python, ['-m', 'django', 'startproject', 'project', site])
    const startproject = readFileSync(path.join(site, 'project/settings.py'), 'utf8')
    const settings = (issuer) => startproject + ctx.recipe.block('settings.py', { 'https://login.example.sg': issuer }) + SETTINGS
    ctx.file('site/project/settings.py', settings(bridge.issuer))
    appendFileSync(path.join(site, 'project/urls.py'), `${ctx.recipe.block('urls.py')}${URLS}`)
    ctx.file('site/sgid.py', ctx.recipe.block('sgid.py'))
    ctx.file('site/templates/home.html', ctx.recipe.block('home.html'))
    ctx.file('site/django-secret', `${ctx.secret}\n`)
    await manage('check', '--fail-level', 'WARNING')
    await manage('migrate', '--verbosity', '0')
    // Somebody else who entered the person's address.
    const { name, email } = ctx.claims(SCOPE)
    await manage('shell', '-c', `from django.contrib.auth.models import User; User.objects.create_user("somebody", ${JSON.stringify(email)}, "a password")`)
    const users = async () => JSON.parse(await manage('shell', '--verbosity', '0', '-c', USERS))

    const runserver = ['manage.py', 'runserver', '--noreload', `127.0.0.1:${port}`]
    const server = ctx.start('runserver', python, runserver, { cwd: site })
    await ctx.waitForHttp(app, { process: server, accept: (status) => status === 200 })

    const browser = await ctx.browser()
    const { page } = browser
    const signIn = async () => {
      await browser.open(app)
      const [asked] = await Promise.all([
        page.waitForRequest((request) => request.url().startsWith(`${bridge.issuer}/authorize?`)),
        browser.click('::-p-text(Sign in with sgID)'),
      ])
      await browser.see('#account')
      check.equal(browser.url, `${app}/`, 'where the sign-in ends')
      return new URL(asked.url()).searchParams
    }
    const asked = await signIn()
    check.equal([asked.get('code_challenge_method'), asked.get('scope')], ['S256', SCOPE], 'PKCE and scope of the request')
    check.match(asked.get('nonce'), /^\w{32}$/, 'the nonce of the request')
    const shown = async () => ({ name: await browser.text('#name'), email: await browser.text('#email'), account: await browser.text('#account') })
    const person = await shown()
    const sub = check.sub(person.account, 'the user name')
    check.equal(person, { name, email, account: sub }, 'the user on the page')

    const expected = [
      { username: 'somebody', first_name: '', email, password: true, seen: false },
      { username: sub, first_name: name, email, password: false, seen: true },
    ]
    check.equal(await users(), expected, 'the users')

    await page.reload()
    check.equal(await shown(), person, 'the user after a reload')
    await browser.click('button::-p-text(Sign out)')
    await browser.see('::-p-text(Sign in with sgID)')
    check.equal(browser.url, `${app}/`, 'where the sign-out ends')
    check.includes(bridge.log, 'event="session.ended"', "the bridge's log after the sign-out")
    const left = browser.trail.findLast((line) => line.startsWith(`GET ${bridge.issuer}/logout?`)).replace('GET ', '')
    const hint = JSON.parse(Buffer.from(new URL(left).searchParams.get('id_token_hint').split('.')[1], 'base64url'))
    check.equal([hint.sub, hint.name, hint.email], [sub, undefined, undefined], 'what the hint tells of the person')
    await signIn()
    check.equal(await shown(), person, 'the user at the second sign-in')
    check.equal(await users(), expected, 'the users after the second sign-in')
    check.equal(await manage('shell', '--verbosity', '0', '-c', BY_PASSWORD), '/\n', 'where the sign-out leads after a sign-in by password')

    // The answer of a login that this browser did not begin, while one of its own is under way.
    const stranger = await ctx.browser({ name: 'stranger' })
    await stranger.page.setRequestInterception(true)
    stranger.page.on('request', (request) => (request.url().startsWith(bridge.issuer) ? request.respond({ body: 'held' }) : request.continue()))
    await stranger.open(`${app}/oidc/authenticate/`)
    await stranger.see('::-p-text(held)')
    const used = browser.trail.findLast((line) => line.startsWith(`GET ${app}/oidc/callback/?`)).replace('GET ', '')
    const refused = await stranger.page.goto(used)
    check.equal(refused.status(), 400, "another browser's answer")
    await stranger.open(app)
    await stranger.see('::-p-text(Sign in with sgID)')

    await server.stop()
    await believesNoLies(ctx, async (issuer) => {
      ctx.file('site/project/lied_to.py', settings(issuer))
      const server = ctx.start('runserver', python, [...runserver, '--settings', 'project.lied_to'], { cwd: site })
      await ctx.waitForHttp(app, { process: server, accept: (status) => status === 200 })
      return app
    })
  },
}

/** The same site in front of a provider that lies: one sign-in for each lie, by plain requests. */
async function believesNoLies(ctx, startSite) {
  const liar = await new Liar('django').start()
  try {
    const app = await startSite(liar.issuer)
    for (const lie of Object.keys(LIES)) {
      if (lie === 'the access token of another') continue // at_hash is optional in this flow, and the library does not read it
      liar.lie = lie
      const visitor = new Visitor(ctx)
      let location = `${app}/oidc/authenticate/`
      // To the provider, back, and perhaps to the page of those who are signed in.
      for (let steps = 0; location && steps < 5; steps += 1) {
        const answer = await visitor.open(location)
        location = answer.headers.location && new URL(answer.headers.location, location).href
      }
      const isSignedIn = (await visitor.open(app)).text.includes('id="account"')
      ctx.check.equal(isSignedIn, lie === 'the truth', `signed in with ${lie}`)
    }
  } finally {
    liar.stop()
  }
}

// The page of the recipe's template, which a site of one's own has anyway.
const SETTINGS = `
TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]
`
const URLS = `
from django.views.generic import TemplateView
urlpatterns += [path("", TemplateView.as_view(template_name="home.html"))]
`
const BY_PASSWORD = `
from django.contrib.auth.models import User
from django.test import Client
client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.get(username="somebody"), "django.contrib.auth.backends.ModelBackend")
print(client.post("/oidc/logout/").headers["Location"])
`
const USERS = `
import json
from django.contrib.auth.models import User
print(json.dumps([
    {"username": user.username, "first_name": user.first_name, "email": user.email,
     "password": user.has_usable_password(), "seen": user.last_login is not None}
    for user in User.objects.order_by("pk")
]))
`
