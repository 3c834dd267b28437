// Behaves towards an OpenID Connect identity provider as an Auth0 enterprise connection of the strategy `oidc` does,
// from its documentation.
//
// [oidc]   https://auth0.com/docs/authenticate/identity-providers/enterprise-identity-providers/oidc
// [pkce]   https://auth0.com/docs/authenticate/identity-providers/enterprise-identity-providers/configure-pkce-claim-mapping-for-oidc
// [jwt]    https://auth0.com/docs/authenticate/enterprise-connections/private-key-jwt-client-auth
// [api]    https://auth0.github.io/node-auth0/interfaces/management.Management.ConnectionOptionsOidc.html
// [nonce]  https://auth0.github.io/node-auth0/types/management.Management.ConnectionSendBackChannelNonce.html
import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { call, discover, listen, mustBeForUs, random, verified } from '../../lib/hosted.mjs'

const NEEDED = ['issuer', 'authorization_endpoint', 'jwks_uri']

/** [jwt]: the key pair of a connection, which Auth0 makes; `jwk` is what it publishes. */
export function connectionKey() {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const kid = random(16)
  return { privateKey, kid, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' } }
}

/** What Auth0 has against a connection before anybody signs in. */
export function complaints({ strategy, options }) {
  const found = []
  if (strategy !== 'oidc') found.push('the strategy is not oidc')
  if (!options.discovery_url.startsWith('https://')) found.push('the discovery URL is not https')
  // [oidc]: at least openid.
  if (!options.scope.split(' ').includes('openid')) found.push('the scope lacks openid')
  if (!['back_channel', 'front_channel'].includes(options.type)) found.push('the type is neither back_channel nor front_channel')
  if (options.type === 'back_channel' && !options.client_secret && options.token_endpoint_auth_method !== 'private_key_jwt') found.push('the back channel needs a client secret')
  // [pkce]
  if (!['auto', 's256', 'plain', 'disabled', undefined].includes(options.connection_settings?.pkce)) found.push('pkce is none of the supported values')
  if (options.attribute_map && !['use_map', 'bind_all'].includes(options.attribute_map.mapping_mode)) found.push('mapping_mode is neither use_map nor bind_all')
  return found
}

/**
 * A tenant with this connection.
 * @param connection the body of POST /api/v2/connections
 * @param domain the tenant's own address, https
 * @param key of `connectionKey`, where the client authenticates with it
 */
export async function startTenant({ connection, domain, key }) {
  const { name, options } = connection
  const isBackChannel = options.type === 'back_channel'
  const redirectUri = `${domain}/login/callback`
  // [oidc]: the base URL or the full one.
  const suffix = '/.well-known/openid-configuration'
  const metadata = await discover(options.discovery_url.endsWith(suffix) ? options.discovery_url : `${options.discovery_url}${suffix}`, NEEDED)
  const waiting = new Map()

  // [pkce]: by default the strongest method of the discovery document, or none.
  function challengeMethod() {
    const offered = metadata.code_challenge_methods_supported ?? []
    const wanted = { s256: 'S256', plain: 'plain', disabled: undefined }
    const setting = options.connection_settings?.pkce ?? 'auto'
    return setting === 'auto' ? ['S256', 'plain'].find((it) => offered.includes(it)) : wanted[setting]
  }

  function authorize(asked) {
    if (asked.get('connection') !== name) return { status: 400, text: 'the connection was not found' }
    const state = random(24)
    const begun = { verifier: undefined, nonce: undefined }
    const parameters = { redirect_uri: redirectUri, response_type: 'code', scope: options.scope, state, client_id: options.client_id }
    if (isBackChannel) {
      const method = challengeMethod()
      if (method) {
        begun.verifier = random(32)
        const challenge = method === 'S256' ? createHash('sha256').update(begun.verifier).digest('base64url') : begun.verifier
        Object.assign(parameters, { code_challenge: challenge, code_challenge_method: method })
      }
      // [nonce]: on the back channel only where it is switched on.
      if (options.send_back_channel_nonce) begun.nonce = parameters.nonce = random(24)
    } else {
      // [oidc]. The nonce is required by the implicit flow.
      begun.nonce = random(24)
      Object.assign(parameters, { response_type: 'id_token', response_mode: 'form_post', nonce: begun.nonce })
    }
    waiting.set(state, begun)
    return { to: `${metadata.authorization_endpoint}?${new URLSearchParams(parameters)}` }
  }

  async function callback(given) {
    const begun = waiting.get(given.get('state'))
    waiting.delete(given.get('state'))
    if (!begun) return { status: 400, text: 'invalid state' }
    const failed = (error, description) => ({ status: 400, json: { error, error_description: description } })
    if (given.has('error')) return failed(given.get('error'), given.get('error_description'))
    try {
      let idToken = given.get('id_token')
      let accessToken
      if (isBackChannel) {
        const form = { grant_type: 'authorization_code', code: given.get('code'), redirect_uri: redirectUri, client_id: options.client_id }
        Object.assign(form, authentication())
        if (begun.verifier) form.code_verifier = begun.verifier
        const tokens = await call(metadata.token_endpoint, { method: 'POST', form })
        if (tokens.status !== 200) return failed(tokens.json?.error, tokens.json?.error_description)
        idToken = tokens.json.id_token
        accessToken = tokens.json.access_token
      }
      const jwks = await call(metadata.jwks_uri)
      const algorithms = options.id_token_signed_response_algs ?? ['RS256']
      const claims = verified(idToken, jwks.json.keys, algorithms)
      mustBeForUs(claims, { issuer: metadata.issuer, clientId: options.client_id, nonce: begun.nonce })
      return { json: await profile(claims, accessToken) }
    } catch (error) {
      return failed('server_error', error.message)
    }
  }

  // [jwt]: client_secret_post, unless private_key_jwt was chosen; never client_secret_basic.
  function authentication() {
    if (options.token_endpoint_auth_method !== 'private_key_jwt') return { client_secret: options.client_secret }
    const now = Math.floor(Date.now() / 1000)
    // [jwt]: `aud` is the token endpoint, sixty seconds, RS256. [api] has a setting that makes it the issuer.
    const aud = options.token_endpoint_jwtca_aud_format === 'issuer' ? metadata.issuer : metadata.token_endpoint
    const claims = { iss: options.client_id, sub: options.client_id, aud, jti: randomUUID(), iat: now, exp: now + 60 }
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const signed = `${encode({ alg: 'RS256', typ: 'JWT', kid: key.kid })}.${encode(claims)}`
    const assertion = `${signed}.${sign('sha256', Buffer.from(signed), key.privateKey).toString('base64url')}`
    return { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: assertion }
  }

  async function profile(tokenset, accessToken) {
    const map = options.attribute_map
    // [oidc] says that userinfo is not called and that the claims must be in the ID token; [pkce], that a mapping can use
    // context.userinfo. Both are tested: userinfo is called only where the mapping names it.
    let userinfo
    if (JSON.stringify(map?.attributes ?? {}).includes('${context.userinfo.')) {
      const answer = await call(metadata.userinfo_endpoint, { headers: { authorization: `Bearer ${accessToken}` } })
      if (answer.status !== 200 || answer.json.sub !== tokenset.sub) throw new Error(`userinfo: ${answer.status} ${answer.text}`)
      userinfo = answer.json
    }
    const context = { tokenset, userinfo }
    const attributes = {}
    if (!map || map.mapping_mode === 'bind_all') Object.assign(attributes, tokenset)
    for (const [attribute, template] of Object.entries(map?.attributes ?? {})) {
      const whole = template.match(/^\$\{context\.(\w+)\.([\w.]+)\}$/)
      const value = whole ? context[whole[1]]?.[whole[2]] : template.replace(/\$\{context\.(\w+)\.([\w.]+)\}/g, (_, from, claim) => context[from]?.[claim] ?? '')
      if (value !== undefined) attributes[attribute] = value
    }
    // [pkce]: claims of the protocol itself are reserved.
    for (const reserved of ['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'nonce', 'at_hash', 'auth_time', 'acr', 'amr', 'azp', 'jti', 'sid']) delete attributes[reserved]
    return { user_id: `oidc|${name}|${tokenset.sub}`, ...attributes }
  }

  const server = await listen(({ method, url, form }) => {
    if (url.pathname === '/authorize') return authorize(url.searchParams)
    if (url.pathname === '/login/callback') return callback(method === 'POST' ? form : url.searchParams)
    return { status: 404, text: 'not found' }
  })
  return { ...server, signIn: `${domain}/authorize?${new URLSearchParams({ client_id: 'the-app', response_type: 'code', connection: name })}` }
}
