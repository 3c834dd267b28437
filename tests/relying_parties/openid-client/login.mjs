// One login with openid-client, unchanged, as a relying party uses it. Settings
// come from the environment; prints one line of JSON, or fails with the reason.
import { webcrypto } from 'node:crypto'
import * as oidc from 'openid-client'

// Node.js 18 has these, but not as globals.
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey

const { ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, SCOPE, CLIENT_AUTH, EXTRA_AUTHORIZE } =
  process.env

const clientAuthentication = {
  client_secret_basic: () => oidc.ClientSecretBasic(CLIENT_SECRET),
  client_secret_post: () => oidc.ClientSecretPost(CLIENT_SECRET),
  none: () => oidc.None(),
}[CLIENT_AUTH || 'client_secret_basic']

async function logIn() {
  if (!clientAuthentication) throw new Error(`CLIENT_AUTH is unknown: ${CLIENT_AUTH}`)
  const issuer = new URL(ISSUER)
  const configuration = await oidc.discovery(issuer, CLIENT_ID, undefined, clientAuthentication(), {
    execute: isPlainLoopback(issuer) ? [oidc.allowInsecureRequests] : [],
  })
  // The signature is checked even though the ID token came straight from the issuer.
  oidc.enableNonRepudiationChecks(configuration)

  const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
  const expectedState = oidc.randomState()
  const expectedNonce = oidc.randomNonce()
  const authorizationUrl = oidc.buildAuthorizationUrl(configuration, {
    redirect_uri: REDIRECT_URI,
    scope: SCOPE,
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...Object.fromEntries(new URLSearchParams(EXTRA_AUTHORIZE ?? '')),
  })

  const callback = await browse(authorizationUrl)
  const tokens = await oidc.authorizationCodeGrant(configuration, callback, {
    pkceCodeVerifier,
    expectedState,
    expectedNonce,
    idTokenExpected: true,
  })
  const claims = tokens.claims()
  const userinfo = await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub)
  return {
    id_token_claims: claims,
    userinfo,
    id_token: tokens.id_token,
    access_token: tokens.access_token,
  }
}

/** Follows redirects with cookies, as a browser does, up to the redirect URI. */
async function browse(url) {
  const cookies = new Map()
  for (let step = 0; step < 20; step += 1) {
    const jar = [...cookies.values()].filter((it) => it.host === url.hostname && covers(it.path, url))
    const headers = jar.length ? { cookie: jar.map((it) => it.pair).join('; ') } : {}
    const response = await fetch(url, { redirect: 'manual', headers })
    for (const line of response.headers.getSetCookie()) keep(line, url, cookies)
    const location = response.headers.get('location')
    if (response.status < 300 || response.status > 399 || !location) {
      const page = (await response.text()).slice(0, 2000)
      throw new Error(`the login stopped at ${url} with status ${response.status}:\n${page}`)
    }
    url = new URL(location, url)
    if (url.origin + url.pathname === callbackAddress()) return url
  }
  throw new Error(`too many redirects, the last one to ${url}`)
}

function keep(line, url, cookies) {
  const [pair, ...attributes] = line.split(';').map((it) => it.trim())
  const value = (name) =>
    attributes.find((it) => it.toLowerCase().startsWith(`${name}=`))?.slice(name.length + 1)
  const path = value('path') ?? (url.pathname.replace(/\/[^/]*$/, '') || '/')
  const id = JSON.stringify([url.hostname, path, pair.split('=', 1)[0]])
  const gone = Number(value('max-age')) <= 0 || Date.parse(value('expires')) < Date.now()
  if (gone) cookies.delete(id)
  else cookies.set(id, { host: url.hostname, path, pair })
}

function covers(path, url) {
  return url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`)
}

function callbackAddress() {
  const uri = new URL(REDIRECT_URI)
  return uri.origin + uri.pathname
}

function isPlainLoopback(url) {
  return url.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
}

try {
  console.log(JSON.stringify(await logIn()))
} catch (error) {
  console.error('openid-client refused the login:', error)
  process.exitCode = 1
}
