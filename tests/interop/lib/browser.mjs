// A real browser: headless Chromium of Debian, driven by puppeteer-core.
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { requireProgram, until, within } from './process.mjs'

/** One browser with an empty profile. `page` is puppeteer's Page, for whatever has no method here. */
export class Browser {
  /** @param folder of its own, with a short name: Chromium puts a socket into it, whose path may have 107 bytes. */
  static async start({ folder, args = [], name = 'browser' }) {
    // Not at the top: the list of products must be readable before `npm ci`.
    const puppeteer = await import('puppeteer-core').catch((error) => {
      throw new Error(`puppeteer-core is missing: npm ci --prefix tests/interop (${error.message})`)
    })
    mkdirSync(folder, { recursive: true })
    const browser = await puppeteer.launch({
      executablePath: process.env.CHROMIUM || requireProgram('chromium', 'apt-get install chromium'),
      headless: true,
      pipe: true,
      userDataDir: path.join(folder, 'profile'),
      // Chromium leaves small files beside its profile otherwise.
      env: { ...process.env, TMPDIR: folder, HOME: folder },
      args: [
        ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--disable-dev-shm-usage',
        '--force-prefers-reduced-motion',
        '--window-size=1280,900',
        ...args,
      ],
    })
    const [page] = await browser.pages()
    return new Browser(name, browser, page)
  }

  constructor(name, browser, page) {
    this.name = name
    this.puppeteer = browser
    this.page = page
    this.trail = []
    page.setDefaultTimeout(30_000)
    page.setDefaultNavigationTimeout(30_000)
    page.on('request', (request) => {
      if (request.isNavigationRequest() && request.frame() === page.mainFrame()) this.trail.push(`${request.method()} ${request.url()}`)
    })
    page.on('response', (response) => {
      const of = response.request()
      if (of.isNavigationRequest() && of.frame() === page.mainFrame()) this.trail.push(`  ${response.status()}`)
      else if (response.status() >= 400) this.trail.push(`  ${response.status()} ${of.method()} ${response.url()}`)
    })
    page.on('console', (message) => this.trail.push(`  console ${message.type()}: ${message.text()}`))
    page.on('pageerror', (error) => this.trail.push(`  script error: ${error.message}`))
    page.on('requestfailed', (request) => this.trail.push(`  failed ${request.url()}: ${request.failure()?.errorText}`))
  }

  get url() {
    return this.page.url()
  }

  /** How often the page was sent to an address that begins so. */
  visits(start) {
    return this.trail.filter((line) => /^[A-Z]+ /.test(line) && line.replace(/^[A-Z]+ /, '').startsWith(start)).length
  }

  async open(url) {
    await this.page.goto(url, { waitUntil: 'domcontentloaded' })
  }

  /** Waits until something is visible; gives puppeteer's ElementHandle. Selectors are CSS or puppeteer's `::-p-text(...)`. */
  async see(selector, seconds = 30) {
    try {
      return await this.page.waitForSelector(selector, { visible: true, timeout: seconds * 1000 })
    } catch (error) {
      throw new Error(`no ${selector} at ${this.url} (${error.message})`)
    }
  }

  async click(selector, seconds) {
    await this.see(selector, seconds)
    await this.page.locator(selector).click()
  }

  /** Puts a text into a field, in the place of what it had. */
  async fill(selector, text) {
    await this.see(selector)
    await this.page.locator(selector).fill(text)
  }

  async text(selector = 'body', seconds) {
    const element = await this.see(selector, seconds)
    return element.evaluate((it) => it.innerText)
  }

  async has(selector) {
    return (await this.page.$(selector)) !== null
  }

  /** Waits until the page's address matches a pattern, begins with a text, or satisfies a function; gives the address. */
  async reaches(wanted, seconds = 30) {
    const fits = (url) =>
      typeof wanted === 'function' ? wanted(url) : wanted instanceof RegExp ? wanted.test(url) : url.startsWith(wanted)
    try {
      await until(`the address ${wanted}`, seconds, () => fits(this.url))
    } catch {
      throw new Error(`the browser should have come to ${wanted} within ${seconds}s, and is at ${this.url}`)
    }
    return this.url
  }

  /** The page is JSON, as a small app shows it: its value. */
  async json(seconds) {
    const text = await this.text('body', seconds)
    try {
      return JSON.parse(text)
    } catch {
      throw new Error(`no JSON at ${this.url}: ${text.slice(0, 2000)}`)
    }
  }

  async screenshot(file) {
    mkdirSync(path.dirname(file), { recursive: true })
    await this.page.screenshot({ path: file, fullPage: true })
  }

  /** What is seen, and where the browser has been, for whoever looks into a failure. */
  async saveForFailure(folder) {
    mkdirSync(folder, { recursive: true })
    const pages = await within(5, this.puppeteer.pages())
    for (const [index, page] of pages.entries()) {
      const file = path.join(folder, `failure-${this.name}${index ? `-${index}` : ''}`)
      await within(10, page.content()).then((html) => writeFileSync(`${file}.html`, html)).catch(() => {})
      await within(10, page.screenshot({ path: `${file}.png`, fullPage: true })).catch(() => {})
    }
    return `${this.name} is at ${this.url}; its page is saved as ${folder}/failure-${this.name}.html and .png. It went:\n${this.trail.slice(-60).join('\n')}`
  }

  async close() {
    const program = this.puppeteer.process()
    await within(10, this.puppeteer.close()).catch(() => program?.kill('SIGKILL'))
  }
}
