// What a product's test is handed: everything around the product, and the guarantee that it is gone afterwards.
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { sgidKey, startBridge } from './bridge.mjs'
import { Browser } from './browser.mjs'
import { Check } from './check.mjs'
import { expectedClaims, NRIC, startMockPass } from './mockpass.mjs'
import { build, products } from './places.mjs'
import * as processes from './process.mjs'
import { Recipe } from './recipe.mjs'

export class Context {
  nric = NRIC
  check = new Check()
  /** A client secret of this run, with every character that a client may forget to encode, or encode twice. */
  secret = `a+b/c%2Fd${randomBytes(25).toString('base64')}`
  /** For the bridge's configuration: back-channel logout may call this machine, which it refuses otherwise. */
  loopbackMayBeCalled = '\n[outgoing]\nallow = ["127.0.0.1/32", "::1/128"]\n'
  freePort = processes.freePort
  request = processes.request
  until = processes.until
  waitForHttp = processes.waitForHttp
  requireProgram = processes.requireProgram
  #browsers = []
  #folders = 0
  #bridges = 0
  #isOver = false

  constructor(product) {
    this.product = product
    this.recipe = new Recipe(product)
    /** The product's own folder in git. */
    this.folder = path.join(products, product)
    /** What is kept between runs: downloads, installations. */
    this.cache = path.join(build, 'interop', product)
    mkdirSync(this.cache, { recursive: true })
    /** What is gone after this run. */
    this.temp = mkdtempSync(path.join(tmpdir(), `interop-${product}-`))
    processes.started.length = 0
  }

  /** Starts what every product needs. */
  async begin() {
    this.file('mockpass/public-key.pem', sgidKey().publicKey)
    this.mockpass = await startMockPass(path.join(this.temp, 'mockpass/public-key.pem'))
  }

  /** The persona's claims for these scopes, without `sub`. */
  claims = (scope) => expectedClaims(scope)

  /** A bridge in front of MockPass: { config, secrets, host, port, server, keys, upstream }. See README.md. */
  async bridge(options) {
    this.#mustGoOn()
    this.#bridges += 1
    const folder = path.join(this.temp, `bridge-${this.#bridges}`)
    mkdirSync(folder)
    return startBridge({ folder, mockpass: this.mockpass, ...options })
  }

  /** A browser with an empty profile: { args, name }. */
  async browser(options = {}) {
    this.#mustGoOn()
    this.#folders += 1
    const name = options.name ?? `browser-${this.#folders}`
    const folder = path.join(this.temp, `b${this.#folders}`)
    const browser = await Browser.start({ folder, ...options, name })
    if (this.#isOver) await browser.close()
    this.#mustGoOn()
    this.#browsers.push(browser)
    return browser
  }

  /** Starts a program that goes on running: { cwd, env }. Its folder is `temp`, unless another is given. */
  start = (name, program, args = [], options = {}) => processes.start(name, program, args, this.#here(options))

  /** Runs a program to its end: { cwd, env, input, seconds, mayFail }; gives its standard output. */
  exec = (name, program, args = [], options = {}) => processes.exec(name, program, args, this.#here(options))

  #here(options) {
    this.#mustGoOn()
    return { cwd: this.temp, ...options, env: { TMPDIR: this.temp, ...options.env } }
  }

  /** A test that took too long starts nothing more. */
  #mustGoOn() {
    if (this.#isOver) throw new Error(`the test of ${this.product} is over`)
  }

  /** Writes a file below `temp`, readable for its owner only; gives its path. */
  file(name, text) {
    const file = path.join(this.temp, name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }

  /** Does something once for each value of `mark` (a version, the text of a lock file), and again where it failed. */
  async once(name, mark, work) {
    const stamp = path.join(this.cache, `.${name}`)
    if (existsSync(stamp) && readFileSync(stamp, 'utf8') === mark) return
    rmSync(stamp, { force: true })
    await work()
    writeFileSync(stamp, mark)
  }

  /** Installs package.json and package-lock.json of the product; files below `temp` then find the packages. */
  async npm() {
    const lock = readFileSync(path.join(this.folder, 'package-lock.json'), 'utf8')
    await this.once('npm', lock, async () => {
      for (const name of ['package.json', 'package-lock.json']) cpSync(path.join(this.folder, name), path.join(this.cache, name))
      await this.exec('npm ci', 'npm', ['ci', '--no-audit', '--no-fund'], { cwd: this.cache, seconds: 600 })
    })
    symlinkSync(path.join(this.cache, 'node_modules'), path.join(this.temp, 'node_modules'))
  }

  /** Installs requirements.txt of the product, with hashes, into a venv; gives the folder of its programs. */
  async pip() {
    const requirements = path.join(this.folder, 'requirements.txt')
    const venv = path.join(this.cache, 'venv')
    await this.once('pip', readFileSync(requirements, 'utf8'), async () => {
      rmSync(venv, { recursive: true, force: true })
      await this.exec('python3 -m venv', 'python3', ['-m', 'venv', venv], { seconds: 120 })
      const args = ['install', '--quiet', '--disable-pip-version-check', '--require-hashes', '--requirement', requirements]
      await this.exec('pip install', path.join(venv, 'bin/pip'), args, { seconds: 900 })
    })
    return path.join(venv, 'bin')
  }

  /** Everything that helps to understand a failure. */
  async report() {
    const parts = []
    for (const browser of this.#browsers) {
      parts.push(await browser.saveForFailure(this.cache).catch((error) => `no picture of ${browser.name}: ${error.message}`))
    }
    for (const process of processes.started) {
      const state = process.isRunning ? 'running' : `ended with ${process.code}`
      parts.push(`---- ${process.name} (${state}): ${process.command}\n${process.output}`)
    }
    return parts.join('\n')
  }

  /** Stops everything that was started, the last first, and removes `temp`. */
  async end() {
    this.#isOver = true
    await Promise.all(this.#browsers.map((browser) => browser.close()))
    for (const process of [...processes.started].reverse()) await process.stop(5)
    rmSync(this.temp, { recursive: true, force: true, maxRetries: 10 })
  }

  /** The same in no time, for a runner that is being ended itself. */
  kill() {
    for (const browser of this.#browsers) browser.puppeteer.process()?.kill('SIGKILL')
    for (const process of processes.started) process.signal('SIGKILL')
    rmSync(this.temp, { recursive: true, force: true, maxRetries: 10 })
  }
}
