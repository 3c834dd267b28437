import { randomBytes } from 'node:crypto'
import { chmodSync } from 'node:fs'
import { requireFile } from '../../lib/places.mjs'

const SCOPE = 'openid profile email myinfo.nationality'
const APACHE = '/usr/sbin/apache2'
const MODULES = '/usr/lib/apache2/modules'

export default {
  product: 'mod-auth-openidc',
  title: 'mod_auth_openidc',
  version: '2.4.12.3',
  exercised:
    'discovery, code flow with PKCE and nonce, client_secret_basic, userinfo; claims in the environment of a CGI program and in headers of a proxied app; logout, revocation, back-channel logout; form_post; a request without PKCE, a wrong secret',
  // Not apache2, which would start a server of the system.
  aptPackages: {
    [APACHE]: 'apache2-bin',
    [`${MODULES}/mod_auth_openidc.so`]: 'libapache2-mod-auth-openidc',
    openssl: 'openssl',
  },

  async install(ctx) {
    ctx.requireProgram('openssl', 'apt-get install openssl')
    for (const file of [APACHE, `${MODULES}/mod_auth_openidc.so`]) requireFile(file, `apt-get install ${this.aptPackages[file]}`)
  },

  async run(ctx) {
    const { recipe, check } = ctx
    const [port, appPort] = [await ctx.freePort(), await ctx.freePort()]
    // With TLS, as only then a browser keeps the cookies that come along with a form of another site.
    const app = `https://localhost:${port}`
    await certificate(ctx)
    const registration = {
      config: `${recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app })}${ctx.loopbackMayBeCalled}extra_ca_file = "${ctx.temp}/authority.crt"\n`,
      secrets: { 'keys/mod-auth-openidc-secret': ctx.secret },
    }
    const bridge = await ctx.bridge(registration)

    const echo = `require('node:http').createServer((request, response) => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ path: request.url, headers: request.headers }))
    }).listen(${appPort}, '127.0.0.1')`
    await ctx.waitForHttp(`http://127.0.0.1:${appPort}`, { process: ctx.start('the app', 'node', ['-e', echo]) })

    const secrets = (secret) =>
      ctx.file('sgid-secrets.conf', recipe.block('sgid-secrets.conf', { CLIENT_SECRET: secret, PASSPHRASE: randomBytes(32).toString('hex') }))
    const settings = recipe.block('sgid.conf', {
      'https://login.example.sg': bridge.issuer,
      'https://app.example.sg': app,
      '/etc/apache2/sgid-secrets.conf': secrets(ctx.secret),
      'http://127.0.0.1:3000/': `http://127.0.0.1:${appPort}/`,
    })
    const serve = (text) => apache(ctx, port, text)
    const browser = await ctx.browser({ args: ['--ignore-certificate-errors'] })
    // What the browser sends under these names must not reach the app.
    await browser.page.setExtraHTTPHeaders({ 'x-remote-user': 'forged', 'x-sgid-name': 'forged' })

    let server = await serve(settings)
    check.includes(server.output, `mod_auth_openidc-${this.version}`, "the module's version")
    await browser.open(`${app}/cgi/environment?a=b`)
    await browser.reaches(app)
    check.equal(browser.url, `${app}/cgi/environment?a=b`, 'the page that was asked for')
    const variables = Object.fromEntries((await browser.text('pre')).split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)))
    const sub = check.sub(variables.REMOTE_USER, 'REMOTE_USER')
    const person = ctx.claims(SCOPE)
    const claims = Object.fromEntries(
      ['sub', ...Object.keys(person)].map((claim) => [claim, variables[`OIDC_CLAIM_${claim.replace('.', '_')}`]]),
    )
    // The module tells a false from a missing claim as "0".
    check.equal(claims, { sub, ...person, email_verified: '0' }, 'OIDC_CLAIM_ variables')

    await browser.open(`${app}/app/page`)
    const { path, headers } = await browser.json()
    check.equal(path, '/page', 'the page of the proxied app')
    check.equal(headers['x-remote-user'], sub, 'X-Remote-User')
    for (const claim of ['name', 'birthdate', 'gender', 'email']) {
      check.equal(headers[`x-sgid-${claim}`], person[claim], `X-Sgid-${claim}`)
    }
    check.equal(headers['x-sgid-nationality'], person['myinfo.nationality'], 'X-Sgid-Nationality')

    const visitsToSgid = () => browser.visits(`${ctx.mockpass.authorizationEndpoint}?`)
    const session = async () => (await browser.page.cookies(app)).find(({ name }) => name === 'mod_auth_openidc_session')
    check.equal((await session()).sameSite, 'Lax', 'what other sites may do with the session')
    check.equal(visitsToSgid(), 1, 'visits to sgID before signing out')

    await browser.open(`${app}/sgid/callback?logout=${encodeURIComponent(`${app}/signed-out`)}`)
    await browser.reaches(`${app}/signed-out`)
    check.equal(await browser.text(), 'See you', 'the page after signing out')
    check.equal(browser.visits(`${bridge.issuer}/logout?id_token_hint=`), 1, 'visits to the logout of the bridge')
    check.equal(await session(), undefined, 'the session after signing out')
    check.match(bridge.log, /event="revocation" outcome="revoked" client\.id=mod-auth-openidc/, 'what the bridge says of the access token')
    check.match(bridge.log, /event="session\.ended"/, 'what the bridge says of its session')

    await browser.open(`${app}/app/page`)
    check.equal((await browser.json()).headers['x-remote-user'], sub, 'sub at the second sign-in')
    check.equal(visitsToSgid(), 2, 'visits to sgID after the second sign-in')
    await browser.open(`${app}/app/again`)
    check.equal(visitsToSgid(), 2, 'visits to sgID while the session lasts')

    // The bridge begins: the module hears of it behind the browser's back.
    await bridge.signOut(browser)
    await browser.open(`${app}/app/page`)
    check.equal((await browser.json()).headers['x-remote-user'], sub, 'sub at the third sign-in')
    check.equal(visitsToSgid(), 3, 'visits to sgID after the bridge ended the session')
    await server.stop()

    const withoutSession = async () => browser.page.deleteCookie(...(await browser.page.cookies(app)))
    const refusesWithoutPkce = async (settings, how) => {
      server = await serve(settings.replace('OIDCPKCEMethod S256', ''))
      await withoutSession()
      await browser.open(`${app}/app/`)
      await browser.reaches(`${app}/sgid/callback`)
      check.includes(await browser.text(), 'code_challenge is missing', `the page after a request without PKCE, answered ${how}`)
      await server.stop()
    }
    await refusesWithoutPkce(settings, 'by a redirect')

    secrets('not-the-secret-of-this-client-0123456789')
    server = await serve(settings)
    await withoutSession()
    await browser.open(`${app}/app/`)
    await browser.reaches(`${app}/sgid/callback`)
    check.includes(await browser.text(), 'Error in handling response type', 'the page after a wrong secret')
    check.includes(server.output, 'invalid_client', "Apache's log after a wrong secret")
    check.includes(bridge.log, 'invalid_client', "the bridge's log after a wrong secret")
    await server.stop()
    secrets(ctx.secret)

    // The same by a form.
    await bridge.stop()
    const byForm = recipe.block('form-post.toml')
    await ctx.bridge({ ...registration, config: registration.config.replace('scope =', `${byForm}scope =`), port: bridge.port })
    const [onlyForRedirects] = settings.match(/^# The module takes an error[^]*?^RewriteRule .*$/m)
    const formSettings = settings.replace(onlyForRedirects, '').replace('OIDCCookieSameSite On\n', recipe.block('form-post.conf'))
    check.that(!/SameSite|Rewrite/.test(formSettings), 'what is for redirects only is gone')
    server = await serve(formSettings)
    await withoutSession()
    browser.trail.length = 0
    await browser.open(`${app}/app/page`)
    check.sub((await browser.json()).headers['x-remote-user'], 'sub after an answer by a form')
    check.that(browser.trail.includes(`POST ${app}/sgid/callback`), "the bridge's answer came by a form")
    check.equal(browser.visits(`${app}/sgid/callback?`), 0, 'answers by a redirect')
    check.equal((await session()).sameSite, 'None', 'what other sites may do with the session, as the recipe warns')
    await server.stop()
    await refusesWithoutPkce(formSettings, 'by a form')

    server = await serve(formSettings.replace('OIDCResponseMode', 'OIDCCookieSameSite On\nOIDCResponseMode'))
    await withoutSession()
    await browser.open(`${app}/app/`)
    await browser.reaches(`${app}/sgid/callback`)
    check.includes(await browser.text(), 'Bad Request', 'the page where the cookie of the waiting login stayed behind')
    check.match(server.output, /no ".*" state cookie found: check domain and samesite/, "Apache's log of that")
  },
}

/** For localhost, from an authority that nobody else knows. */
async function certificate(ctx) {
  const make = (name, extensions, ...args) =>
    ctx.exec(`openssl: ${name}`, 'openssl', [
      'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
      '-config', ctx.file(`${name}.cnf`, `[req]\ndistinguished_name = name\nx509_extensions = extensions\n[name]\n[extensions]\n${extensions}\n`),
      '-keyout', `${ctx.temp}/${name}.key`, '-out', `${ctx.temp}/${name}.crt`, ...args,
    ])
  await make('authority', 'basicConstraints = critical, CA:TRUE')
  const signed = ['-CA', `${ctx.temp}/authority.crt`, '-CAkey', `${ctx.temp}/authority.key`]
  await make('localhost', 'basicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:localhost', ...signed)
}

/** An instance of its own, which knows nothing of the system's. */
async function apache(ctx, port, settings) {
  const program = ctx.file('cgi/environment', '#!/bin/sh\nprintf "Content-Type: text/html\\n\\n<pre>"\nenv\nprintf "</pre>"\n')
  const signedOut = ctx.file('signed-out.html', 'See you')
  // Apache's children are another user where it is started by root.
  for (const folder of [ctx.temp, `${ctx.temp}/cgi`, program, signedOut]) chmodSync(folder, 0o755)
  const modules = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'alias', 'cgid', 'headers', 'proxy', 'proxy_http', 'rewrite', 'socache_shmcb', 'ssl', 'auth_openidc']
  const config = ctx.file(
    'httpd.conf',
    `ServerRoot "${ctx.temp}"
DefaultRuntimeDir "${ctx.temp}"
Mutex "file:${ctx.temp}"
PidFile "${ctx.temp}/httpd.pid"
ScriptSock "${ctx.temp}/cgi.sock"
ErrorLog "|/bin/cat"
LogLevel warn auth_openidc:info
${modules.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`).join('\n')}
${process.getuid() === 0 ? 'User www-data\nGroup www-data' : ''}
ServerName localhost
Listen 127.0.0.1:${port}
StartServers 1
SSLEngine on
SSLCertificateFile "${ctx.temp}/localhost.crt"
SSLCertificateKeyFile "${ctx.temp}/localhost.key"
ScriptAlias /cgi "${ctx.temp}/cgi"
Alias /signed-out "${ctx.temp}/signed-out.html"
${settings}
`,
  )
  const server = ctx.start('apache2', APACHE, ['-D', 'FOREGROUND', '-f', config])
  await server.says(/resuming normal operations/)
  return server
}
