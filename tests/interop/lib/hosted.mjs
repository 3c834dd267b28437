// For the scripted look-alikes of hosted products: what is the same in all of them, and the person's browser.
//
// A look-alike listens on loopback. Its address in real life, which the bridge has registered, is known to `Visitor`
// only. It uses no OpenID Connect library: the point is to do what the product does, and nothing more.
import { createPublicKey, randomBytes, verify } from 'node:crypto'
import { createServer } from 'node:http'
import { request } from './process.mjs'

/** A server on loopback that answers as the handler says: { status, headers, text, json } or a `to` to redirect to. */
export async function listen(handler) {
  const server = createServer(async (incoming, outgoing) => {
    let answer
    try {
      let body = ''
      for await (const part of incoming.setEncoding('utf8')) body += part
      const url = new URL(incoming.url, `https://${incoming.headers.host}`)
      const cookies = new Map((incoming.headers.cookie ?? '').split('; ').filter(Boolean).map((pair) => split(pair, '=')))
      answer = await handler({ method: incoming.method, url, cookies, form: new URLSearchParams(body) })
    } catch (error) {
      answer = { status: 500, text: String(error.stack) }
    }
    const { to, json, headers = {} } = answer
    if (to) Object.assign(headers, { location: to })
    if (json) Object.assign(headers, { 'content-type': 'application/json' })
    outgoing.writeHead(answer.status ?? (to ? 302 : 200), headers).end(json ? JSON.stringify(json) : answer.text)
  })
  await new Promise((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  return { address: `http://127.0.0.1:${server.address().port}`, close }
}

/**
 * A person's browser without scripts: cookies by host, redirects, and forms that a page posts by itself.
 * @param places where the look-alikes are: { 'https://tenant.b2clogin.com': 'http://127.0.0.1:1234' }
 */
export class Visitor {
  #jars = new Map()

  constructor(places) {
    this.places = places
    /** Every request: "GET https://...". */
    this.trail = []
  }

  /** Goes to an address and on, until a page comes, or an address where nobody listens: { url, status, headers, text }. */
  async open(address) {
    let url = new URL(address)
    let form
    for (let step = 0; step < 20; step += 1) {
      const place = this.#place(url)
      if (!place) return { url }
      const answer = await this.#send(url, place, form)
      if (answer.headers.location && answer.status >= 300 && answer.status < 400) {
        url = new URL(answer.headers.location, url)
        form = undefined
        continue
      }
      const posted = postedForm(answer, url)
      if (!posted || posted.action.origin === url.origin || !this.#place(posted.action)) return { url, ...answer }
      url = posted.action
      form = posted.fields
    }
    throw new Error(`led in circles:\n${this.trail.join('\n')}`)
  }

  #place(url) {
    return this.places[url.origin] ?? (url.protocol === 'http:' && /^(localhost|127\.0\.0\.1)$/.test(url.hostname) ? url.origin : undefined)
  }

  async #send(url, place, form) {
    this.trail.push(`${form ? 'POST' : 'GET'} ${url.href}`)
    if (!this.#jars.has(url.hostname)) this.#jars.set(url.hostname, new Map())
    const jar = this.#jars.get(url.hostname)
    const headers = { host: url.host, accept: 'text/html' }
    if (jar.size) headers.cookie = [...jar].map((pair) => pair.join('=')).join('; ')
    if (form) headers['content-type'] = 'application/x-www-form-urlencoded'
    const answer = await request(`${place}${url.pathname}${url.search}`, { method: form ? 'POST' : 'GET', headers, body: form?.toString() })
    for (const cookie of answer.headers['set-cookie'] ?? []) {
      const [pair, ...attributes] = cookie.split(';')
      const [name, value] = split(pair, '=')
      if (attributes.some((it) => /^\s*max-age=0$/i.test(it))) jar.delete(name)
      else jar.set(name, value)
    }
    return answer
  }
}

/** The only form of a page, where it is to be posted elsewhere. */
function postedForm({ headers, text }, base) {
  if (!headers['content-type']?.startsWith('text/html')) return undefined
  const [form, ...more] = [...text.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)]
  if (!form || more.length || attribute(form[1], 'method')?.toLowerCase() !== 'post') return undefined
  const fields = new URLSearchParams()
  for (const [, inside] of form[2].matchAll(/<input\b([^>]*)>/gi)) {
    const name = attribute(inside, 'name')
    if (name) fields.append(name, attribute(inside, 'value') ?? '')
  }
  return { action: new URL(attribute(form[1], 'action') ?? '', base), fields }
}

function attribute(inside, name) {
  const value = inside.match(new RegExp(`\\b${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+))`, 'i'))
  const entities = { amp: '&', quot: '"', apos: "'", lt: '<', gt: '>' }
  return (value?.[1] ?? value?.[2] ?? value?.[3])?.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex, decimal, word) =>
    word ? (entities[word] ?? all) : String.fromCodePoint(parseInt(hex ?? decimal, hex ? 16 : 10)),
  )
}

/** What a product finds at an issuer, or refuses to find. */
export async function discover(metadataUrl, needed) {
  const answer = await request(metadataUrl, { headers: { accept: 'application/json' } })
  if (answer.status !== 200) throw new Error(`${metadataUrl} answers ${answer.status}`)
  const metadata = JSON.parse(answer.text)
  for (const name of needed) if (!metadata[name]) throw new Error(`${metadataUrl} has no ${name}`)
  return metadata
}

/** A request of the product's own: { status, json, text }. */
export async function call(url, { method = 'GET', headers = {}, form } = {}) {
  const sent = form ? { 'content-type': 'application/x-www-form-urlencoded', ...headers } : headers
  const answer = await request(url, { method, headers: { accept: 'application/json', ...sent }, body: form && new URLSearchParams(form).toString() })
  const isJson = answer.headers['content-type']?.startsWith('application/json')
  return { ...answer, json: isJson ? JSON.parse(answer.text) : undefined }
}

/** HTTP Basic authentication with the two as they are, not form-encoded first, as most software does it. */
export const basic = (id, secret) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`

/** The claims of a signed token whose signature one of these keys made. */
export function verified(token, keys, algorithms = ['RS256', 'ES256']) {
  const { header, claims, signed, signature } = parts(token)
  if (!algorithms.includes(header.alg)) throw new Error(`${header.alg} is not accepted, only ${algorithms}`)
  const key = keys.find((it) => it.kid === header.kid)
  if (!header.kid || !key) throw new Error(`no key ${header.kid}`)
  const how = { key: createPublicKey({ key, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }
  if (!verify('sha256', Buffer.from(signed), how, signature)) throw new Error('the signature is wrong')
  return claims
}

/** The claims of a token that came from the token endpoint itself, without a look at the signature. */
export const unverified = (token) => parts(token).claims

function parts(token) {
  const [head, body, signature, ...rest] = token.split('.')
  if (!signature || rest.length) throw new Error('not a signed token')
  const json = (text) => JSON.parse(Buffer.from(text, 'base64url'))
  return { header: json(head), claims: json(body), signed: `${head}.${body}`, signature: Buffer.from(signature, 'base64url') }
}

/** OpenID Connect Core section 3.1.3.7, as far as every product goes. */
export function mustBeForUs(claims, { issuer, clientId, nonce }) {
  const now = Date.now() / 1000
  if (claims.iss !== issuer) throw new Error(`iss is ${claims.iss}, not ${issuer}`)
  if (![claims.aud].flat().includes(clientId)) throw new Error(`aud is ${claims.aud}, not ${clientId}`)
  if (!(claims.exp > now)) throw new Error('the ID token is expired')
  if (!(claims.iat < now + 300)) throw new Error('the ID token is from the future')
  if (nonce !== undefined && claims.nonce !== nonce) throw new Error(`nonce is ${claims.nonce}, not ${nonce}`)
  if (!claims.sub) throw new Error('the ID token has no sub')
}

/** Lines of `name = value`. */
export function ini(text) {
  const lines = text.split('\n').filter((line) => line.trim() && !/^[#;]/.test(line))
  return Object.fromEntries(lines.map((line) => split(line, '=').map((it) => it.trim())))
}

/** The block of a client once more, as another client: with another name, and with lines left out or replaced. */
export function variant(block, clientId, lines) {
  let text = replaced(block, /^client_id = .*$/m, `client_id = "${clientId}"`)
  for (const [name, value] of Object.entries(lines)) {
    text = replaced(text, new RegExp(`^${name} = .*\\n`, 'm'), value === undefined ? '' : `${name} = ${value}\n`)
  }
  return text
}

function replaced(text, pattern, by) {
  if (!pattern.test(text)) throw new Error(`the recipe's block for the bridge has no line ${pattern}`)
  return text.replace(pattern, () => by)
}

export const random = (bytes = 24) => randomBytes(bytes).toString('base64url')

function split(text, at) {
  const index = text.indexOf(at)
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + at.length)]
}
