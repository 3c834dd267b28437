import { readFileSync } from 'node:fs'
import path from 'node:path'

const SCOPE = 'openid profile email'

// Serves a folder of flat files, as any web server does.
const SERVER = `
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
const types = { html: 'text/html', js: 'text/javascript' }
createServer((request, response) => {
  const name = new URL(request.url, 'http://localhost').pathname.slice(1) || 'index.html'
  try {
    response.setHeader('content-type', types[name.split('.').pop()] ?? 'text/plain').end(readFileSync(new URL('page/' + name, import.meta.url)))
  } catch {
    response.writeHead(404).end()
  }
}).listen(process.env.PORT, '127.0.0.1')
`

export default {
  product: 'oidc-client-ts',
  title: 'oidc-client-ts',
  version: '3.5.0',
  exercised: 'a page without a server: public client, discovery and token and userinfo across origins, PKCE, claims in the page; a response that nobody asked for, an origin that is not registered',

  install: (ctx) => ctx.npm(),

  async run(ctx) {
    const { recipe, check } = ctx
    const port = await ctx.freePort()
    const app = `http://localhost:${port}`
    const config = recipe.block('sgid-bridge.toml', { 'https://app.example.sg': app })
    const bridge = await ctx.bridge({ config })
    ctx.file('page/index.html', recipe.block('index.html'))
    ctx.file('page/app.js', recipe.block('app.js', { 'https://login.example.sg': bridge.issuer, 'https://app.example.sg': app }))
    const script = 'node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js'
    ctx.file('page/oidc-client-ts.min.js', readFileSync(path.join(ctx.cache, script), 'utf8'))
    ctx.file('serve.mjs', SERVER)
    const server = ctx.start('web server', 'node', ['serve.mjs'], { env: { PORT: String(port) } })
    await ctx.waitForHttp(app, { process: server })

    const browser = await ctx.browser()
    await browser.open(`${app}/?code=ac_0&state=0`)
    await browser.see('#problem:not(:empty)')
    check.includes(await browser.text('#problem'), 'No matching state found', 'the page after a response that nobody asked for')
    await browser.open(app)
    await browser.click('#sign-in')
    await browser.see('#forget')
    const claims = JSON.parse(await browser.text('#claims'))
    check.claims(claims, SCOPE, 'claims in the page')
    check.equal(browser.url, `${app}/`, 'the address, without the code')

    await browser.click('#forget')
    await browser.click('#sign-in')
    await browser.see('#forget')
    check.equal(JSON.parse(await browser.text('#claims')).sub, claims.sub, 'sub at the second sign-in')

    await bridge.stop()
    const origins = `web_origins = ["${app}"]`
    check.includes(config, origins, 'the recipe')
    await ctx.bridge({ config: config.replace(origins, 'web_origins = ["http://localhost:9"]'), port: bridge.port })
    await browser.click('#forget')
    await browser.click('#sign-in')
    await browser.see('#problem:not(:empty)')
    check.includes(await browser.text('#problem'), 'Failed to fetch', 'the page at an origin that is not registered')
    check.equal(await browser.page.$eval('#claims', (it) => it.textContent), '', 'claims in the page at an origin that is not registered')
  },
}
