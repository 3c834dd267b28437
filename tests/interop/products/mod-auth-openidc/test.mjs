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
    'discovery, code flow with PKCE and nonce, client_secret_basic, userinfo; claims in the environment of a CGI program and in headers of a proxied app; sign-out; a request without PKCE, a wrong secret',
  // Not apache2, which would start a server of the system.
  aptPackages: {
    [APACHE]: 'apache2-bin',
    [`${MODULES}/mod_auth_openidc.so`]: 'libapache2-mod-auth-openidc',
  },

  async install() {
    for (const [file, aptPackage] of Object.entries(this.aptPackages)) requireFile(file, `apt-get install ${aptPackage}`)
  },

  async run(ctx) {
    const { recipe, check } = ctx
    const [port, appPort] = [await ctx.freePort(), await ctx.freePort()]
    const app = `http://localhost:${port}`
    const bridge = await ctx.bridge({
      config: recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app }),
      secrets: { 'keys/mod-auth-openidc-secret': ctx.secret },
    })

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
    const browser = await ctx.browser()
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

    const session = async () => (await browser.page.cookies(app)).find(({ name }) => name === 'mod_auth_openidc_session')?.value
    const before = await session()
    check.that(before, 'there is a session')
    await browser.open(`${app}/sgid/callback?logout=${encodeURIComponent(`${app}/app/goodbye`)}`)
    await browser.reaches(`${app}/app/goodbye`)
    check.equal((await browser.json()).headers['x-remote-user'], sub, 'sub at the second sign-in')
    check.that((await session()) !== before, 'signing out ended the first session')
    await server.stop()

    server = await serve(settings.replace('OIDCPKCEMethod S256', ''))
    await browser.page.deleteCookie(...(await browser.page.cookies(app)))
    await browser.open(`${app}/app/`)
    check.includes(await browser.text(), 'code_challenge is missing', 'the page after a request without PKCE')
    await server.stop()

    secrets('not-the-secret-of-this-client-0123456789')
    server = await serve(settings)
    await browser.open(`${app}/app/`)
    await browser.reaches(`${app}/sgid/callback`)
    check.includes(await browser.text(), 'Error in handling response type', 'the page after a wrong secret')
    check.includes(server.output, 'invalid_client', "Apache's log after a wrong secret")
    check.includes(bridge.log, 'invalid_client', "the bridge's log after a wrong secret")
  },
}

/** An instance of its own, which knows nothing of the system's. */
async function apache(ctx, port, settings) {
  const program = ctx.file('cgi/environment', '#!/bin/sh\nprintf "Content-Type: text/html\\n\\n<pre>"\nenv\nprintf "</pre>"\n')
  // Apache's children are another user where it is started by root.
  for (const folder of [ctx.temp, `${ctx.temp}/cgi`, program]) chmodSync(folder, 0o755)
  const modules = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'alias', 'cgid', 'headers', 'proxy', 'proxy_http', 'rewrite', 'auth_openidc']
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
ScriptAlias /cgi "${ctx.temp}/cgi"
${settings}
`,
  )
  const server = ctx.start('apache2', APACHE, ['-D', 'FOREGROUND', '-f', config])
  await server.says(/resuming normal operations/)
  return server
}
