// A provider that tells lies, to show that an app does not believe them. The bridge cannot be made to tell any.
import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'

const base64url = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** Each lie changes what a truthful provider would say; the first one is none. */
export const LIES = {
  'the truth': () => {},
  'another issuer': ({ claims }) => (claims.iss += '/'),
  'another audience': ({ claims }) => (claims.aud = 'another-app'),
  'another audience beside a fitting azp': ({ claims }) => Object.assign(claims, { azp: claims.aud, aud: 'another-app' }),
  'no audience': ({ claims }) => delete claims.aud,
  'another nonce': ({ claims }) => (claims.nonce += 'x'),
  'no nonce': ({ claims }) => delete claims.nonce,
  'an expired token': ({ claims }) => (claims.exp -= 3600),
  'a key of its own': (answer) => (answer.key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
  'no signature': ({ header }) => (header.alg = 'none'),
  'the public key, used as a password': ({ header }) => (header.alg = 'HS256'),
  'the access token of another': ({ claims }) => (claims.at_hash = base64url('another'.padEnd(16))),
  'userinfo of somebody else': (answer) => (answer.userinfo.sub = 'somebody-else'),
}

export class Liar {
  lie = 'the truth'
  #key = generateKeyPairSync('rsa', { modulusLength: 2048 })
  #nonces = new Map()

  constructor(clientId) {
    this.clientId = clientId
  }

  async start() {
    this.server = createServer((request, response) => this.#answer(request, response))
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    this.issuer = `http://127.0.0.1:${this.server.address().port}`
    return this
  }

  stop() {
    this.server.closeAllConnections()
    this.server.close()
  }

  async #answer(request, response) {
    let body = ''
    for await (const part of request) body += part
    const url = new URL(request.url, this.issuer)
    const json = (value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
    switch (url.pathname) {
      case '/.well-known/openid-configuration':
        return json({
          issuer: this.issuer,
          authorization_endpoint: `${this.issuer}/authorize`,
          token_endpoint: `${this.issuer}/token`,
          userinfo_endpoint: `${this.issuer}/userinfo`,
          jwks_uri: `${this.issuer}/jwks`,
          id_token_signing_alg_values_supported: ['RS256'],
        })
      case '/jwks':
        return json({ keys: [{ ...this.#key.publicKey.export({ format: 'jwk' }), kid: 'only', use: 'sig', alg: 'RS256' }] })
      case '/authorize': {
        const code = `code-${this.#nonces.size}`
        this.#nonces.set(code, url.searchParams.get('nonce'))
        const back = new URL(url.searchParams.get('redirect_uri'))
        for (const [name, value] of Object.entries({ code, state: url.searchParams.get('state'), iss: this.issuer })) back.searchParams.set(name, value)
        return response.writeHead(303, { location: back.href }).end()
      }
      case '/token':
        this.told = this.#tell(this.#nonces.get(new URLSearchParams(body).get('code')))
        return json({ access_token: 'access', token_type: 'Bearer', expires_in: 600, id_token: this.#signed(this.told) })
      case '/userinfo':
        return json(this.told.userinfo)
      default:
        return response.writeHead(404).end()
    }
  }

  #tell(nonce) {
    const now = Math.floor(Date.now() / 1000)
    const sub = 'somebody'
    const at_hash = createHash('sha256').update('access').digest().subarray(0, 16).toString('base64url')
    const answer = {
      header: { alg: 'RS256', kid: 'only' },
      claims: { iss: this.issuer, aud: this.clientId, sub, nonce, at_hash, iat: now, exp: now + 600 },
      key: this.#key.privateKey,
      userinfo: { sub, 'myinfo.name': 'A LIAR' },
    }
    LIES[this.lie](answer)
    return answer
  }

  #signed({ header, claims, key }) {
    const content = `${base64url(header)}.${base64url(claims)}`
    if (header.alg === 'none') return `${content}.`
    if (header.alg === 'HS256') {
      const password = this.#key.publicKey.export({ format: 'pem', type: 'spki' })
      return `${content}.${createHmac('sha256', password).update(content).digest('base64url')}`
    }
    return `${content}.${sign('sha256', content, key).toString('base64url')}`
  }
}

/** Somebody with cookies, who follows no redirect unasked. */
export class Visitor {
  #cookies = new Map()

  constructor(ctx) {
    this.ctx = ctx
  }

  async open(url) {
    const cookies = [...this.#cookies].map((pair) => pair.join('=')).join('; ')
    const answer = await this.ctx.request(url, { headers: cookies ? { Cookie: cookies } : {} })
    for (const cookie of answer.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)
      this.#cookies.set(name, value)
    }
    return answer
  }
}
