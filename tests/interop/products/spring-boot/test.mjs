// A Spring Boot app, configured by application.yml alone.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const VERSION = '4.1.2'
const SCOPE = 'openid profile email'

export default {
  product: 'spring-boot',
  title: 'Spring Boot',
  version: VERSION,
  exercised:
    'Spring Security by application.yml alone: discovery, code flow with PKCE and nonce, client_secret_basic, signed ID token, userinfo; with one bean: logout and back-channel logout; a wrong secret',
  aptPackages: { javac: 'default-jdk-headless', mvn: 'maven' },

  async install(ctx) {
    const pom = readFileSync(path.join(ctx.folder, 'pom.xml'), 'utf8')
    ctx.check.includes(pom, `<version>${VERSION}</version>`, 'pom.xml')
    ctx.check.includes(pom, ctx.recipe.block('pom.xml'), 'pom.xml')
    const [app, security] = ['App.java', 'Security.java'].map((name) => ctx.recipe.block(name))
    await ctx.once('built', pom + app + security, async () => {
      const build = path.join(ctx.cache, 'build')
      const sources = path.join(build, 'src/main/java/app')
      const makeJar = async (name) => {
        const args = ['-q', '-B', '-ntp', `-Dmaven.repo.local=${path.join(ctx.cache, 'm2')}`, 'package']
        await ctx.exec(`mvn package: ${name}`, 'mvn', args, { cwd: build, seconds: 550 })
        cpSync(path.join(build, 'target/app.jar'), path.join(ctx.cache, `${name}.jar`))
      }
      rmSync(build, { recursive: true, force: true })
      mkdirSync(sources, { recursive: true })
      cpSync(path.join(ctx.folder, 'pom.xml'), path.join(build, 'pom.xml'))
      writeFileSync(path.join(sources, 'App.java'), app)
      await makeJar('by-settings')
      writeFileSync(path.join(sources, 'Security.java'), security)
      await makeJar('with-logout')
      rmSync(build, { recursive: true })
    })
  },

  async run(ctx) {
    const { recipe, check } = ctx
    const port = await ctx.freePort()
    // Another host than the bridge's, so that the two are different sites to a browser.
    const app = `http://localhost:${port}`
    const bridge = await ctx.bridge({
      config: recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app }) + ctx.loopbackMayBeCalled,
      secrets: { 'keys/spring-boot-secret': ctx.secret },
    })
    ctx.file('application.yml', recipe.block('application.yml', { 'https://login.example.sg': bridge.issuer }))
    const serve = async (name, secret) => {
      // It finds application.yml in its working folder.
      const args = ['-jar', path.join(ctx.cache, `${name}.jar`), '--server.address=127.0.0.1', `--server.port=${port}`]
      const server = ctx.start(name, 'java', args, { env: { SGID_CLIENT_SECRET: secret } })
      await ctx.waitForHttp(app, { process: server, seconds: 120 })
      return server
    }
    const signIn = async (name) => {
      const browser = await ctx.browser({ name })
      await browser.open(app)
      await browser.reaches(app)
      return browser
    }

    let server = await serve('by-settings', ctx.secret)
    const first = await signIn('first-login')
    const claims = await first.json()
    check.claims(claims, SCOPE, 'claims of the OidcUser')
    check.equal(claims.iss, bridge.issuer, 'iss')
    const asked = new URL(first.trail.find((line) => line.startsWith(`GET ${bridge.issuer}/authorize?`)).slice('GET '.length)).searchParams
    check.equal(asked.get('code_challenge_method'), 'S256', 'the PKCE method that Spring Security used')
    check.that(asked.get('nonce'), 'Spring Security sent a nonce')
    const second = await signIn('second-login')
    check.equal((await second.json()).sub, claims.sub, 'sub at the second login')
    for (const [method, route] of [['POST', '/token'], ['GET', '/userinfo']]) {
      check.that(bridge.log.includes(`http.method="${method}" http.route="${route}" http.status=200`), `the app used ${route}`)
    }
    await server.stop()

    server = await serve('with-logout', ctx.secret)
    const browser = await signIn('logout')
    const visitsToSgid = () => browser.visits(`${ctx.mockpass.authorizationEndpoint}?`)
    check.equal((await browser.json()).sub, claims.sub, 'sub at the third login')
    await browser.open(`${app}/logout`)
    await browser.click('button[type=submit]')
    await browser.reaches(`${app}/login`)
    check.that(await browser.has('a[href="/oauth2/authorization/sgid"]'), 'the page after signing out offers to sign in')
    check.equal(browser.visits(`${bridge.issuer}/logout?id_token_hint=ey`), 1, 'visits to the logout of the bridge')
    check.match(bridge.log, /event="session\.ended"/, 'what the bridge says of its session')
    await browser.open(app)
    check.equal((await browser.json()).sub, claims.sub, 'sub after signing out')
    check.equal(visitsToSgid(), 2, 'visits to sgID after signing out')

    // The bridge begins: the app hears of it behind the browser's back.
    await bridge.signOut(browser)
    await browser.open(app)
    check.equal((await browser.json()).sub, claims.sub, 'sub after the bridge ended the session')
    check.equal(visitsToSgid(), 3, 'visits to sgID after that')
    await server.stop()

    await serve('by-settings', 'not-the-secret-of-this-client-0123456789')
    const refused = await signIn('wrong-secret')
    check.equal(new URL(refused.url).pathname, '/login', 'where a login with a wrong secret ends')
    check.that(new URL(refused.url).searchParams.has('error'), 'the login page tells of an error')
    check.includes(bridge.log, 'invalid_client: client authentication failed', "the bridge's log after a wrong secret")
  },
}
