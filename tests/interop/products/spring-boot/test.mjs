// A Spring Boot app, configured by application.yml alone.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const VERSION = '4.1.2'
const SCOPE = 'openid profile email'

export default {
  product: 'spring-boot',
  title: 'Spring Boot',
  version: VERSION,
  exercised: 'Spring Security by application.yml alone: discovery, code flow with PKCE and nonce, client_secret_basic, signed ID token, userinfo; a wrong secret',
  aptPackages: { javac: 'default-jdk-headless', mvn: 'maven' },

  async install(ctx) {
    const pom = readFileSync(path.join(ctx.folder, 'pom.xml'), 'utf8')
    ctx.check.includes(pom, `<version>${VERSION}</version>`, 'pom.xml')
    ctx.check.includes(pom, ctx.recipe.block('pom.xml'), 'pom.xml')
    const app = ctx.recipe.block('App.java')
    await ctx.once('built', pom + app, async () => {
      cpSync(path.join(ctx.folder, 'pom.xml'), path.join(ctx.cache, 'pom.xml'))
      const sources = path.join(ctx.cache, 'src/main/java/app')
      mkdirSync(sources, { recursive: true })
      writeFileSync(path.join(sources, 'App.java'), app)
      const args = ['-q', '-B', '-ntp', `-Dmaven.repo.local=${path.join(ctx.cache, 'm2')}`, 'package']
      await ctx.exec('mvn package', 'mvn', args, { cwd: ctx.cache, seconds: 900 })
    })
  },

  async run(ctx) {
    const { recipe, check } = ctx
    const port = await ctx.freePort()
    // Another host than the bridge's, so that the two are different sites to a browser.
    const app = `http://localhost:${port}`
    const bridge = await ctx.bridge({
      config: recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app }),
      secrets: { 'keys/spring-boot-secret': ctx.secret },
    })
    ctx.file('application.yml', recipe.block('application.yml', { 'https://login.example.sg': bridge.issuer }))
    const serve = async (secret) => {
      // It finds application.yml in its working folder.
      const args = ['-jar', path.join(ctx.cache, 'target/app.jar'), '--server.address=127.0.0.1', `--server.port=${port}`]
      const server = ctx.start('app', 'java', args, { env: { SGID_CLIENT_SECRET: secret } })
      await ctx.waitForHttp(app, { process: server, seconds: 120 })
      return server
    }
    const signIn = async (name) => {
      const browser = await ctx.browser({ name })
      await browser.open(app)
      await browser.reaches(app)
      return browser
    }

    const server = await serve(ctx.secret)
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

    await serve('not-the-secret-of-this-client-0123456789')
    const refused = await signIn('wrong-secret')
    check.equal(new URL(refused.url).pathname, '/login', 'where a login with a wrong secret ends')
    check.that(new URL(refused.url).searchParams.has('error'), 'the login page tells of an error')
    check.includes(bridge.log, 'invalid_client: client authentication failed', "the bridge's log after a wrong secret")
  },
}
