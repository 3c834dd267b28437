import { chmodSync, chownSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { requireFile } from '../../lib/places.mjs'

const SCOPE = 'openid profile email'
const APACHE = '/usr/sbin/apache2'
const MODULES = '/usr/lib/apache2/modules'
const LEMON = '/usr/share/lemonldap-ng'
const PORTAL_SITE = '/etc/lemonldap-ng/portal-apache2.X.conf'

const asRoot = process.getuid() === 0

export default {
  product: 'lemonldap-ng',
  title: 'LemonLDAP::NG',
  version: '2.16.1',
  exercised:
    'the portal as client, code flow without PKCE and with nonce, client_secret_basic, signed ID token, userinfo; claims in headers of an app behind the handler; logout; a wrong secret, a request without nonce',
  aptPackages: {
    [APACHE]: 'apache2-bin',
    [`${MODULES}/mod_perl.so`]: 'libapache2-mod-perl2',
    [`${MODULES}/mod_fcgid.so`]: 'libapache2-mod-fcgid',
    [PORTAL_SITE]: 'liblemonldap-ng-portal-perl',
    [`${LEMON}/bin/lemonldap-ng-cli`]: 'liblemonldap-ng-manager-perl',
    '/etc/mime.types': 'media-types',
    // What these only recommend, and cannot start without.
    '/usr/share/doc/libfcgi-perl': 'libfcgi-perl',
    '/usr/share/doc/libgd-securityimage-perl': 'libgd-securityimage-perl',
    '/usr/share/doc/libimage-magick-perl': 'libimage-magick-perl',
    '/usr/share/doc/libemail-sender-perl': 'libemail-sender-perl',
    '/usr/share/doc/libmime-tools-perl': 'libmime-tools-perl',
  },

  async install() {
    for (const [file, aptPackage] of Object.entries(this.aptPackages)) requireFile(file, `apt-get install ${aptPackage}`)
  },

  async run(ctx) {
    const { recipe, check } = ctx
    // One host with two ports: the portal's cookie is then the handler's, too, as in one domain.
    const [portalPort, port, appPort] = [await ctx.freePort(), await ctx.freePort(), await ctx.freePort()]
    const [portal, app] = [`http://localhost:${portalPort}`, `http://localhost:${port}`]
    const bridge = await ctx.bridge({
      config: recipe.block('sgid-bridge.toml', { 'https://auth.example.sg': portal }),
      secrets: { 'keys/lemonldap-ng-secret': ctx.secret },
    })
    const echo = `require('node:http').createServer((request, response) => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ path: request.url, headers: request.headers }))
    }).listen(${appPort}, '127.0.0.1')`
    await ctx.waitForHttp(`http://127.0.0.1:${appPort}`, { process: ctx.start('the app', 'node', ['-e', echo]) })

    const lemon = await new Lemon(ctx).prepare()
    await lemon.merge('site.json', JSON.stringify({ portal: `${portal}/`, domain: 'localhost', vhostOptions: { localhost: { vhostPort: port } } }))
    await lemon.merge('sgid.json', recipe.block('sgid.json', { 'https://login.example.sg': bridge.issuer, CLIENT_SECRET: ctx.secret }))
    await lemon.merge('app.json', recipe.block('app.json', { 'app.example.sg': 'localhost' }))
    const site = recipe.block('app.conf', {
      'app.example.sg': 'localhost',
      '*:443': `127.0.0.1:${port}`,
      'http://127.0.0.1:3000/': `http://127.0.0.1:${appPort}/`,
    })
    let server = await lemon.serve({ portalPort, port, site })
    const browser = await ctx.browser()
    // Wide enough for the portal to unfold its menu.
    await browser.page.setViewport({ width: 1280, height: 900 })
    // What the browser sends under these names must not reach the app.
    await browser.page.setExtraHTTPHeaders({ 'auth-user': 'forged', 'auth-name': 'forged' })
    const person = ctx.claims(SCOPE)
    const signIn = async () => {
      await browser.open(`${app}/some/page?a=b`)
      await browser.reaches(app)
      const { path, headers } = await browser.json()
      check.equal(path, '/some/page?a=b', 'the page that was asked for')
      return headers
    }

    check.includes(server.output, `Lemonldap::NG/${this.version}`, 'the version')
    const headers = await signIn()
    const sub = check.sub(headers['auth-user'], 'Auth-User')
    for (const [header, claim] of Object.entries({ name: 'name', mail: 'email', birthdate: 'birthdate', gender: 'gender' })) {
      check.equal(headers[`auth-${header}`], person[claim], `Auth-${header}`)
    }
    await browser.open(portal)
    check.includes(await browser.text(), person.name, 'the menu of the portal')

    const session = async () => (await browser.page.cookies(portal)).find(({ name }) => name === 'lemonldap')?.value
    const visitsToSgid = () => browser.visits(`${ctx.mockpass.authorizationEndpoint}?`)
    const sessionsEnded = () => [...bridge.log.matchAll(/event="session\.ended"/g)].length
    check.that(await session(), 'there is a session')
    for (const [count, logout] of [`${app}/logout`, `${portal}/?logout=1`].entries()) {
      check.equal((await signIn())['auth-user'], sub, `sub before ${logout}`)
      check.equal(visitsToSgid(), count + 1, `visits to sgID before ${logout}`)
      await browser.open(logout)
      await browser.reaches(`${portal}/?logout=1`)
      // A script puts it there.
      check.that(await browser.see('::-p-text(You have been disconnected)'), `the page after ${logout} says so`)
      check.equal(await session(), undefined, `the session after ${logout}`)
      check.equal(browser.visits(`${bridge.issuer}/logout?id_token_hint=ey`), count + 1, 'visits to the logout of the bridge')
      check.equal(sessionsEnded(), count + 1, 'sessions that the bridge ended')
    }
    await server.stop()

    const refused = async (option, value, reason) => {
      await lemon.cli('addKey', 'oidcOPMetaDataOptions/sgid', option, value)
      server = await lemon.serve({ portalPort, port, site })
      await browser.open(app)
      await browser.reaches(portal)
      check.that(await browser.see('::-p-text(Error during authentication with OpenID Provider)'), `the page with ${option} ${value} says so`)
      check.includes(server.output, reason, `the portal's log with ${option} ${value}`)
      await server.stop()
    }
    await refused('oidcOPMetaDataOptionsClientSecret', 'not-the-secret-of-this-client-0123456789', 'Bad token response: Unauthorized')
    await refused('oidcOPMetaDataOptionsUseNonce', '0', 'Error description: nonce is required')
  },
}

/** LemonLDAP::NG with everything that it keeps in a folder, and an Apache that knows nothing of the system's. */
class Lemon {
  constructor(ctx) {
    this.ctx = ctx
    this.folder = path.join(ctx.temp, 'lemon')
    this.ini = path.join(this.folder, 'lemonldap-ng.ini')
  }

  async prepare() {
    const { ctx, folder } = this
    // Started by root, it works as the user of Debian's web server.
    if (asRoot) this.owner = await Promise.all(['-u', '-g'].map(async (option) => Number(await ctx.exec('id', 'id', [option, 'www-data']))))
    chmodSync(ctx.temp, 0o711)
    for (const name of ['', 'empty', 'conf', 'cache', 'fcgid', 'sessions', 'sessions/lock', 'psessions', 'psessions/lock']) {
      mkdirSync(path.join(folder, name))
      this.own(path.join(folder, name))
    }
    this.file(
      'lemonldap-ng.ini',
      `[all]
logLevel = notice
[configuration]
type = File
dirName = ${folder}/conf
prettyPrint = 1
localStorage = Cache::FileCache
localStorageOptions = { namespace => 'config', default_expires_in => 600, cache_root => '${folder}/cache', cache_depth => 3 }
[portal]
staticPrefix = /static
templateDir = ${LEMON}/portal/templates
languages = en
[handler]
status = 0
useRedirectOnError = 1
[manager]
protection = manager
staticPrefix = /static
templateDir = ${LEMON}/manager/htdocs/templates
languages = en
enabledModules = conf
`,
    )
    const files = (name) => ({ Directory: `${folder}/${name}`, LockDirectory: `${folder}/${name}/lock` })
    this.file(
      'conf/lmConf-1.json',
      JSON.stringify({
        cfgNum: 1,
        cfgVersion: '2.16.1',
        cfgAuthor: 'interop',
        cfgDate: 1, // 0 would be none
        portal: 'http://localhost/',
        domain: 'localhost',
        cookieName: 'lemonldap',
        globalStorage: 'Apache::Session::File',
        globalStorageOptions: files('sessions'),
        persistentStorage: 'Apache::Session::File',
        persistentStorageOptions: files('psessions'),
        localSessionStorage: 'Cache::FileCache',
        localSessionStorageOptions: { namespace: 'sessions', default_expires_in: 600, cache_root: `${folder}/cache`, cache_depth: 3 },
        reloadUrls: {},
        locationRules: { 'manager.localhost': { default: 'deny' } },
        exportedHeaders: {},
        exportedVars: {},
      }),
    )
    return this
  }

  own(file) {
    if (asRoot) chownSync(file, ...this.owner)
    return file
  }

  file(name, text) {
    return this.own(this.ctx.file(`lemon/${name}`, text))
  }

  /** The command that Debian has for the configuration. */
  cli(...args) {
    return this.ctx.exec('lemonldap-ng-cli', `${LEMON}/bin/lemonldap-ng-cli`, ['-iniFile', this.ini, '-yes', '1', '-safe', '1', ...args])
  }

  merge(name, text) {
    return this.cli('merge', this.file(name, text))
  }

  async serve({ portalPort, port, site }) {
    const { folder, ctx } = this
    const portal = readFileSync(PORTAL_SITE, 'utf8').replaceAll('*:80', `127.0.0.1:${portalPort}`).replaceAll('auth.example.com', 'localhost')
    const modules = ['mpm_prefork', 'authn_core', 'authz_core', 'authz_host', 'authz_user', 'alias', 'dir', 'env', 'headers', 'mime', 'rewrite', 'fcgid', 'perl', 'proxy', 'proxy_http']
    const config = this.file(
      'httpd.conf',
      `ServerRoot "${folder}"
DefaultRuntimeDir "${folder}"
Mutex "file:${folder}"
PidFile "${folder}/httpd.pid"
ErrorLog "|/bin/cat"
LogLevel notice
${modules.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`).join('\n')}
${asRoot ? 'User www-data\nGroup www-data' : ''}
ServerName localhost
Listen 127.0.0.1:${portalPort}
Listen 127.0.0.1:${port}
StartServers 1
MinSpareServers 1
DocumentRoot "${folder}/empty"
TypesConfig /etc/mime.types
# As the package javascript-common has it.
Alias /javascript /usr/share/javascript
<Directory /usr/share/javascript>
    Require all granted
    Options FollowSymLinks
</Directory>
FcgidIPCDir "${folder}/fcgid"
FcgidProcessTableFile "${folder}/fcgid/table"
FcgidInitialEnv LLNG_DEFAULTCONFFILE "${this.ini}"
PerlPassEnv LLNG_DEFAULTCONFFILE
${portal}
${site}
`,
    )
    const server = ctx.start('apache2', APACHE, ['-D', 'FOREGROUND', '-f', config], { env: { LLNG_DEFAULTCONFFILE: this.ini } })
    await server.says(/resuming normal operations/)
    return server
  }
}
