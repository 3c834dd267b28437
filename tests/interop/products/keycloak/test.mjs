// Keycloak brokers logins to the bridge: people sign in at Keycloak, and Keycloak signs in at the bridge.
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const VERSION = '26.7.3'
const ZIP_SHA256 = '27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f'
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy'
const SCOPE = 'openid profile email'
const REALM = 'myrealm'
// Seconds. Keycloak names the session that ends by an ID token of the login, which has long expired in real life.
const HINT_LIVES = 10
const ADMIN = { username: 'admin', password: 'only-for-this-test' }

export default {
  product: 'keycloak',
  title: 'Keycloak',
  version: VERSION,
  exercised:
    'as identity broker: discovery import, PKCE, nonce, client_secret_post, userinfo, first broker login without a form, mappers, the same account at the next login, kc_idp_hint, logout and back-channel logout, a person who shares nothing, a wrong secret',
  aptPackages: { java: 'default-jre-headless', mvn: 'maven', unzip: 'unzip' },
  runMinutes: 10,

  async install(ctx) {
    const home = homeOf(ctx)
    await ctx.once('unpacked', ZIP_SHA256, async () => {
      const zip = path.join(ctx.cache, `keycloak-quarkus-dist-${VERSION}.zip`)
      const repository = path.join(ctx.cache, 'm2')
      await ctx.exec(
        `mvn ${COPY}`,
        'mvn',
        ['-q', '-B', '-ntp', `-Dmaven.repo.local=${repository}`, COPY, `-Dartifact=org.keycloak:keycloak-quarkus-dist:${VERSION}:zip`, `-DoutputDirectory=${ctx.cache}`],
        { seconds: 900 },
      )
      const sha256 = createHash('sha256')
      await pipeline(createReadStream(zip), sha256)
      const found = sha256.digest('hex')
      if (found !== ZIP_SHA256) throw new Error(`${zip} has the SHA-256 ${found}, not ${ZIP_SHA256}`)
      rmSync(home, { recursive: true, force: true })
      await ctx.exec('unzip', 'unzip', ['-q', zip, '-d', ctx.cache], { seconds: 300 })
      // Only the unpacked one is used: no need to keep three copies.
      rmSync(zip)
      rmSync(repository, { recursive: true, force: true })
    })
    if (!existsSync(path.join(home, 'bin/kc.sh'))) throw new Error(`${home} is not complete: rm -r ${ctx.cache}`)
  },

  async run(ctx) {
    const { recipe, check } = ctx
    const port = await ctx.freePort()
    // Another host than the bridge's, so that the two are different sites to a browser.
    const keycloak = `http://localhost:${port}`
    const bridge = await ctx.bridge({
      config: recipe.block('sgid-bridge.toml', { 'https://app.example.sg': keycloak }) + ctx.loopbackMayBeCalled + `[lifetimes]\nid_token = "${HINT_LIVES}s"\n`,
      secrets: { 'keys/keycloak-secret': ctx.secret },
    })
    await serve(ctx, port)
    const admin = await administrator(ctx, keycloak)

    // What the recipe says, in its order.
    await admin('POST', '', { realm: REALM, enabled: true })
    await admin('PUT', `/${REALM}/users/profile`, JSON.parse(recipe.block('user-profile.json')))
    const importConfig = JSON.parse(recipe.block('import-config.json', { 'https://login.example.sg': bridge.issuer }))
    const imported = await admin('POST', `/${REALM}/identity-provider/import-config`, importConfig)
    check.equal(imported.issuer, bridge.issuer, 'the issuer that Keycloak imported')
    check.equal(imported.validateSignature, 'true', 'whether Keycloak will verify signatures')
    const provider = JSON.parse(recipe.block('identity-provider.json', { 'the secret in keys/keycloak-secret': ctx.secret }))
    Object.assign(provider.config, imported)
    const providers = `/${REALM}/identity-provider/instances`
    await admin('POST', providers, provider)
    for (const mapper of JSON.parse(recipe.block('mappers.json'))) await admin('POST', `${providers}/sgid/mappers`, mapper)

    // The first login, as a person tries it: Keycloak's account console.
    const account = `${keycloak}/realms/${REALM}/account/`
    const signIn = async (name) => {
      const browser = await ctx.browser({ name })
      await browser.open(account)
      await browser.click('#social-sgid', 60)
      return browser
    }
    const first = await signIn('first-login')
    await first.see('input[name="attributes.birthdate"]', 60)
    const shown = async (field) => (await first.see(`input[name="${field}"]`)).evaluate((it) => it.value)
    const expected = ctx.claims(SCOPE)
    check.equal(await shown('firstName'), expected.name, 'the name in the account console')
    check.equal(await shown('attributes.birthdate'), expected.birthdate, 'the birthdate in the account console')
    check.that(!first.trail.some((line) => line.includes('/login-actions/first-broker-login') && line.startsWith('  200')), 'no form stops the first login')
    const asked = new URL(first.trail.find((line) => line.startsWith(`GET ${bridge.issuer}/authorize?`)).slice('GET '.length)).searchParams
    check.equal(asked.get('code_challenge_method'), 'S256', 'the PKCE method that Keycloak used')
    check.that(asked.get('nonce'), 'Keycloak sent a nonce')
    check.equal(asked.get('scope'), SCOPE, 'the scope that Keycloak asked for')
    await first.close()

    const users = () => admin('GET', `/${REALM}/users?briefRepresentation=false`)
    const onlyUser = async () => {
      const all = await users()
      check.equal(all.length, 1, 'how many accounts there are')
      return all[0]
    }
    const personal = ({ firstName, lastName, email, emailVerified, attributes }) => ({ firstName, lastName, email, emailVerified, attributes })
    const asExpected = {
      firstName: expected.name,
      lastName: undefined,
      email: expected.email,
      emailVerified: expected.email_verified,
      attributes: { birthdate: [expected.birthdate], gender: [expected.gender] },
    }
    const user = await onlyUser()
    check.equal(personal(user), asExpected, 'the account')
    const sub = check.sub(subjectsIn(bridge.log)[0], 'the sub in the log of the bridge')
    check.equal(user.username, `sgid.${sub.toLowerCase()}`, 'the name of the account')
    const links = await admin('GET', `/${REALM}/users/${user.id}/federated-identity`)
    check.equal(links.map((it) => [it.identityProvider, it.userId]), [['sgid', sub]], 'what the account is linked to')

    // Another browser, another app of the realm, straight to the bridge: the same account, brought up to date.
    const stale = { firstName: 'STALE', lastName: 'STALE', email: 'stale@invalid.invalid', attributes: { birthdate: ['1900-01-01'] } }
    await admin('PUT', `/${REALM}/users/${user.id}`, stale)
    check.equal(personal(await onlyUser()), { ...stale, emailVerified: false }, 'the account that an administrator changed')
    const app = await appOfTheRealm(ctx, admin, keycloak)
    const browser = await ctx.browser({ name: 'second-login' })
    const claims = await app.signIn(browser)
    const { name, given_name, birthdate, gender, email, email_verified } = claims
    check.equal({ name, given_name, birthdate, gender, email, email_verified }, { ...expected, given_name: expected.name }, 'what the app of the realm is told')
    check.equal(claims.sub, user.id, 'who came to the app of the realm')
    check.equal(personal(await onlyUser()), asExpected, 'the account after the second login')
    check.equal(subjectsIn(bridge.log), [sub, sub], 'the sub of both logins')
    await browser.close()

    check.equal(imported.logoutUrl, `${bridge.issuer}/logout`, 'the logout endpoint that Keycloak imported')
    await logout(ctx, { admin, app, bridge, keycloak, user })

    // Somebody who shares nothing: everything but `sub` may be absent.
    await admin('DELETE', `/${REALM}/users/${user.id}`)
    await admin('PUT', `${providers}/sgid`, { ...provider, config: { ...provider.config, defaultScope: 'openid' } })
    const nothing = await signIn('shares-nothing')
    await nothing.see('input[name="attributes.birthdate"]', 60)
    const bare = await onlyUser()
    const none = { firstName: undefined, lastName: undefined, email: undefined, emailVerified: false, attributes: undefined }
    check.equal(personal(bare), none, 'the account of somebody who shared nothing')
    check.equal(bare.username, user.username, 'its name')
    await nothing.close()

    await admin('PUT', `${providers}/sgid`, { ...provider, config: { ...provider.config, clientSecret: 'not-the-secret-of-keycloak-0123456789' } })
    const refused = await signIn('wrong-secret')
    check.includes(await refused.text('#kc-error-message', 60), 'Unexpected error when authenticating with identity provider', 'the page after a wrong secret')
    check.includes(bridge.log, 'invalid_client: client authentication failed', "the bridge's log after a wrong secret")
  },
}

const homeOf = (ctx) => path.join(ctx.cache, `keycloak-${VERSION}`)

async function serve(ctx, port) {
  const server = ctx.start(
    'Keycloak',
    path.join(homeOf(ctx), 'bin/kc.sh'),
    // dev-mem: nothing is left of one run for the next.
    ['start-dev', '--db=dev-mem', '--http-host=127.0.0.1', `--http-port=${port}`, `--hostname=http://localhost:${port}`],
    { env: { KC_BOOTSTRAP_ADMIN_USERNAME: ADMIN.username, KC_BOOTSTRAP_ADMIN_PASSWORD: ADMIN.password } },
  )
  // The first start on a machine builds the server, which takes a minute or more.
  await ctx.waitForHttp(`http://127.0.0.1:${port}/realms/master`, { process: server, seconds: 300, accept: (status) => status === 200 })
}

/** The Admin REST API: (method, path below /admin/realms, body) to the answer's JSON. */
async function administrator(ctx, keycloak) {
  const call = async (url, options) => {
    const answer = await ctx.request(url, { seconds: 60, ...options })
    if (answer.status >= 300) throw new Error(`${options.method ?? 'GET'} ${url} gave ${answer.status}: ${answer.text}`)
    return answer.text && JSON.parse(answer.text)
  }
  return async (method, below, body) => {
    // A token lives for a minute: a new one for each call is simpler than minding its age.
    const token = await call(`${keycloak}/realms/master/protocol/openid-connect/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', ...ADMIN }).toString(),
    })
    return call(`${keycloak}/admin/realms${below}`, {
      method,
      headers: { authorization: `Bearer ${token.access_token}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
  }
}

/** An app that knows Keycloak only; it never shows Keycloak's login page. */
async function appOfTheRealm(ctx, admin, keycloak) {
  const port = await ctx.freePort()
  const origin = `http://localhost:${port}`
  const server = createServer((_, response) => response.end('signed in')).listen(port, '127.0.0.1').unref()
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject))
  const redirectUri = `${origin}/callback`
  const client = { clientId: 'app', secret: ctx.secret, redirectUris: [redirectUri], attributes: { 'post.logout.redirect.uris': `${origin}/bye` } }
  await admin('POST', `/${REALM}/clients`, client)
  const endpoint = `${keycloak}/realms/${REALM}/protocol/openid-connect`
  return {
    origin,
    endpoint,
    async signIn(browser) {
      const query = { client_id: client.clientId, redirect_uri: redirectUri, response_type: 'code', scope: SCOPE, state: 'x', nonce: 'y', kc_idp_hint: 'sgid' }
      await browser.open(`${endpoint}/auth?${new URLSearchParams(query)}`)
      const back = new URL(await browser.reaches(`${redirectUri}?`, 60)).searchParams
      const body = { grant_type: 'authorization_code', code: back.get('code'), redirect_uri: redirectUri, client_id: client.clientId, client_secret: ctx.secret }
      const answer = await ctx.request(`${endpoint}/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(body).toString(),
      })
      if (answer.status !== 200) throw new Error(`Keycloak refuses its app: ${answer.text}`)
      this.idToken = JSON.parse(answer.text).id_token
      return claimsOf(this.idToken)
    },
  }
}

/** A session ends everywhere, whether Keycloak ends it or the bridge. */
async function logout(ctx, { admin, app, bridge, keycloak, user }) {
  const { check } = ctx
  const sessions = () => admin('GET', `/${REALM}/users/${user.id}/sessions`)
  for (const session of await sessions()) await admin('DELETE', `/${REALM}/sessions/${session.id}`)
  const browser = await ctx.browser({ name: 'logout' })
  const visitsToSgid = () => browser.visits(`${ctx.mockpass.authorizationEndpoint}?`)

  await app.signIn(browser)
  check.equal((await sessions()).length, 1, 'how many sessions Keycloak has after a login')
  await sleep(HINT_LIVES * 1000 + 1000)
  const query = { id_token_hint: app.idToken, post_logout_redirect_uri: `${app.origin}/bye` }
  await browser.open(`${app.endpoint}/logout?${new URLSearchParams(query)}`)
  await browser.reaches(`${app.origin}/bye`)
  const atBridge = browser.trail.find((line) => line.startsWith(`GET ${bridge.issuer}/logout?`))
  check.that(atBridge, 'Keycloak sent the browser to the logout of the bridge')
  const asked = new URL(atBridge.slice('GET '.length)).searchParams
  const hint = claimsOf(asked.get('id_token_hint'))
  check.equal(hint.iss, bridge.issuer, 'who issued the token by which Keycloak named the session')
  check.that(hint.exp * 1000 < Date.now(), 'the token has expired')
  check.equal(asked.get('post_logout_redirect_uri'), `${keycloak}/realms/${REALM}/broker/sgid/endpoint/logout_response`, 'where Keycloak wants the browser back')
  check.equal(await sessions(), [], 'the sessions that Keycloak has after a logout')

  check.equal(visitsToSgid(), 1, 'visits to sgID before the logout')
  await app.signIn(browser)
  check.equal(visitsToSgid(), 2, 'visits to sgID after the next login')
  check.equal((await sessions()).length, 1, 'how many sessions Keycloak has after the next login')

  // Now the bridge begins: Keycloak hears of it behind the browser's back.
  await bridge.signOut(browser)
  check.equal(await sessions(), [], 'the sessions that Keycloak has after a logout at the bridge')
  await browser.close()
}

const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())

/** Whom the bridge told Keycloak, by the bridge's own word. */
const subjectsIn = (log) => [...log.matchAll(/event="token" outcome="issued" client\.id=keycloak .*?subject="([^"]+)"/g)].map((it) => it[1])
