// The bridge as an operator has it: a folder with a configuration and secrets, and the program started in it.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build, requireFile } from './places.mjs'
import { exec, freePort, start, until, waitForHttp } from './process.mjs'

/** Our key at sgID: made once, as that takes long. */
let keys
export function sgidKey() {
  keys ??= generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  return keys
}

/** The program under test. */
export function bridgeProgram() {
  const program = process.env.SGID_BRIDGE ? path.resolve(process.env.SGID_BRIDGE) : path.join(build, 'debug/sgid-bridge')
  return requireFile(program, 'cargo build --locked, or set SGID_BRIDGE to the program')
}

/**
 * Migrates, serves and waits until the bridge is ready.
 * @param folder an empty folder of its own
 * @param config text at the end of the configuration: `[[clients]]` tables of the recipe and more sections.
 *   `[server]`, `[database]`, `[keys]` and `[upstreams.sgid]` are written here
 * @param secrets files below the folder, such as { 'keys/my-app-secret': '...' }
 * @param host the host in the issuer: 127.0.0.1 or localhost; the bridge listens on 127.0.0.1 only
 */
export async function startBridge({ folder, mockpass, config, secrets = {}, host = '127.0.0.1', port, server = '', keys = '', upstream = '' }) {
  port ??= await freePort()
  const management = await freePort()
  const issuer = `http://${host}:${port}`
  const write = (name, text) => {
    const file = path.join(folder, name)
    if (!file.startsWith(folder + path.sep)) throw new Error(`${name} is outside of the bridge's folder`)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, text, { mode: 0o600 })
  }
  write('keys/master.key', randomBytes(32).toString('base64url'))
  write('keys/sgid-client-secret', randomBytes(32).toString('base64url'))
  write('keys/sgid-private-key.pem', sgidKey().privateKey)
  for (const [name, text] of Object.entries(secrets)) write(name, text)
  write(
    'sgid-bridge.toml',
    `issuer = "${issuer}"
[server]
listen = "127.0.0.1:${port}"
management_listen = "127.0.0.1:${management}"
${server}
[database]
url = "sqlite://${path.join(folder, 'bridge.db')}"
[keys]
master_key_file = "keys/master.key"
${keys}
[upstreams.sgid]
issuer = "${mockpass.issuer}"
authorization_endpoint = "${mockpass.authorizationEndpoint}"
client_id = "INTEROP"
client_secret_file = "keys/sgid-client-secret"
private_key_files = ["keys/sgid-private-key.pem"]
${upstream}

${config}
`,
  )
  const program = bridgeProgram()
  await exec('sgid-bridge migrate', program, ['migrate'], { cwd: folder })
  const process = start('sgid-bridge serve', program, ['serve'], { cwd: folder })
  await waitForHttp(`http://127.0.0.1:${management}/health/ready`, { process, accept: (status) => status === 200 })
  return {
    issuer,
    port,
    folder,
    process,
    /** Everything that it logged. */
    get log() {
      return process.output
    },
    /** Runs a command, such as run('client', 'list'); gives its standard output. */
    run: (...args) => exec(`sgid-bridge ${args.join(' ')}`, program, args, { cwd: folder }),
    /** A person signs out at the bridge itself, and its one app is told of it behind the browser's back. */
    async signOut(browser) {
      await browser.open(`${issuer}/logout`)
      await browser.click('#continue')
      await browser.see('::-p-text(You are signed out)')
      // Also of the sessions before: that may still have been under way.
      const count = (event) => process.output.split(event).length
      const isTold = () => count('event="logout_token" outcome="delivered"') === count('event="session.ended"')
      await until('the bridge to tell the app', 30, isTold, process)
    },
    stop: () => process.stop(),
  }
}
