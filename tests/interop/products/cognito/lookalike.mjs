// Behaves towards an OpenID Connect identity provider as an Amazon Cognito user pool does, from its documentation.
//
// [idp]    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-oidc-idp.html
// [flow]   https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-oidc-flow.html
// [api]    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_IdentityProviderType.html
// [map]    https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-specifying-attribute-mapping.html
// [attr]   https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html
// [token]  https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
// [error]  https://docs.aws.amazon.com/cognito/latest/developerguide/authorization-endpoint.html
// [proxy]  https://github.com/aws-samples/cognito-external-idp-proxy, which AWS made because of what Cognito sends
import { gzipSync } from 'node:zlib'
import { call, discover, listen, mustBeForUs, random, verified } from '../../lib/hosted.mjs'

const NEEDED = ['authorization_endpoint', 'token_endpoint', 'userinfo_endpoint', 'jwks_uri']

/** What Cognito says against an identity provider's settings before anybody signs in. */
export function complaints({ ProviderType, ProviderDetails: details, AttributeMapping: mapping }) {
  const found = []
  if (ProviderType !== 'OIDC') found.push('ProviderType is not OIDC')
  // [idp]: https, no slash at the end, ports 443 and 80 only.
  const issuer = new URL(details.oidc_issuer)
  if (issuer.protocol !== 'https:') found.push('the issuer is not https')
  if (details.oidc_issuer.endsWith('/')) found.push('the issuer ends with a slash')
  if (!['', '80', '443'].includes(issuer.port)) found.push('the issuer has a port of its own')
  // [idp]: the scope openid is required.
  if (!details.authorize_scopes.split(' ').includes('openid')) found.push('authorize_scopes lacks openid')
  if (!['GET', 'POST'].includes(details.attributes_request_method)) found.push('attributes_request_method is neither GET nor POST')
  // [map]: the user name of a person from an OpenID Connect provider is `sub`, and nothing else.
  if (mapping.username !== 'sub') found.push('username is not mapped from sub')
  return found
}

/**
 * A user pool with this identity provider and one app.
 * @param provider the input of `aws cognito-idp create-identity-provider`
 * @param domain the user pool's own address, https
 * @param app where the app gets its users: a redirect URI
 * @param sendsNonce assumption, both ways tested: the documentation does not say whether the identity provider is sent a
 *   nonce. [token] says that Cognito makes and checks one where the app sent none; requests seen in public have it
 *   inside `state` only (a gzipped JSON document with a member `nonce`), so the default is that none is sent
 */
export async function startUserPool({ provider, domain, app, sendsNonce = false }) {
  const { ProviderName: name, ProviderDetails: details, AttributeMapping: mapping } = provider
  // [idp]: "auto fill through issuer URL".
  const metadata = await discover(`${details.oidc_issuer}/.well-known/openid-configuration`, NEEDED)
  const waiting = new Map()
  const users = new Map()
  const codes = new Map()
  const idpResponse = `${domain}/oauth2/idpresponse`

  function authorize(asked) {
    if (asked.get('identity_provider') !== name) return { status: 400, text: 'no such identity provider' }
    const appState = asked.get('state') ?? undefined
    const inside = {
      userPoolId: provider.UserPoolId,
      providerName: name,
      clientId: asked.get('client_id'),
      redirectURI: app,
      responseType: 'code',
      providerType: 'OIDC',
      scopes: details.authorize_scopes.split(' '),
      state: appState,
      codeChallenge: null,
      codeChallengeMethod: null,
      nonce: asked.get('nonce') ?? random(96),
      serverHostPort: new URL(domain).host,
      creationTimeSeconds: Math.floor(Date.now() / 1000),
      session: null,
      userAttributes: null,
      stateForLinkingSession: false,
    }
    // As seen in public: two gzipped parts and a version, some 700 characters and more with what the app sent.
    const state = `${gzipSync(JSON.stringify(inside)).toString('base64url')}.${gzipSync(random(32)).toString('base64url')}.3`
    const nonce = sendsNonce ? inside.nonce : undefined
    waiting.set(state, { appState, appNonce: inside.nonce, nonce })
    // No PKCE: [proxy] exists to add it. The order is the one seen in public.
    const parameters = new URLSearchParams({ client_id: details.client_id, redirect_uri: idpResponse, scope: details.authorize_scopes, response_type: 'code', state })
    if (nonce) parameters.set('nonce', nonce)
    return { to: `${metadata.authorization_endpoint}?${parameters}` }
  }

  async function signedIn(given) {
    const begun = waiting.get(given.get('state'))
    waiting.delete(given.get('state'))
    if (!begun) return { status: 400, text: 'Invalid state' }
    const back = (parameters) => {
      const url = new URL(app)
      for (const [key, value] of Object.entries({ ...parameters, state: begun.appState })) if (value !== undefined) url.searchParams.set(key, value)
      return { to: url.href }
    }
    const refused = (description) => back({ error: 'invalid_request', error_description: description })
    // Assumption: an error of the identity provider reaches the app with its description; [error] says so of the token endpoint.
    if (given.has('error')) return refused(given.get('error_description') ?? given.get('error'))

    // [idp]: client_secret_post, and never client_secret_basic. No code_verifier.
    const form = { grant_type: 'authorization_code', code: given.get('code'), redirect_uri: idpResponse, client_id: details.client_id, client_secret: details.client_secret }
    const tokens = await call(metadata.token_endpoint, { method: 'POST', form })
    if (tokens.status !== 200) return refused(`${name} Error - ${tokens.status} ${tokens.json?.error ?? 'error getting token'}`)
    try {
      const jwks = await call(metadata.jwks_uri)
      // [idp]: signed with HMAC, ECDSA or RSA, with a kid that the keys have.
      const idToken = verified(tokens.json.id_token, jwks.json.keys)
      mustBeForUs(idToken, { issuer: details.oidc_issuer, clientId: details.client_id, nonce: begun.nonce })
      // [flow]: the attributes come from userinfo.
      const bearer = { authorization: `Bearer ${tokens.json.access_token}` }
      const userinfo = await call(metadata.userinfo_endpoint, { method: details.attributes_request_method, headers: bearer })
      if (userinfo.status !== 200) throw new Error(`attributes: ${userinfo.status}`)
      if (userinfo.json.sub !== idToken.sub) throw new Error('userinfo is about somebody else')
      const username = `${name}_${userinfo.json.sub}`
      // [map]: claims that did not come leave what was there.
      users.set(username, { ...users.get(username), ...attributes(userinfo.json) })
      const code = random()
      codes.set(code, { username, userId: userinfo.json.sub, nonce: begun.appNonce })
      return back({ code })
    } catch (error) {
      return refused(error.message)
    }
  }

  function attributes(claims) {
    const mapped = {}
    for (const [attribute, claim] of Object.entries(mapping)) {
      if (attribute === 'username' || claims[claim] === undefined) continue
      // Assumption: attributes are texts, and what is none is written as JSON; the recipe maps nothing but texts and a boolean.
      const value = typeof claims[claim] === 'string' ? claims[claim] : JSON.stringify(claims[claim])
      // [map], [attr]
      if (value.length > 2048) throw new Error(`attribute ${attribute} is longer than 2048 characters`)
      if (attribute === 'birthdate' && !/^\d{4}-\d\d-\d\d$/.test(value)) throw new Error('attribute birthdate is no date of 10 characters')
      mapped[attribute] = value
    }
    return mapped
  }

  const server = await listen(({ url, method }) => {
    if (method === 'GET' && url.pathname === '/oauth2/authorize') return authorize(url.searchParams)
    if (method === 'GET' && url.pathname === '/oauth2/idpresponse') return signedIn(url.searchParams)
    return { status: 404, text: 'not found' }
  })
  return {
    ...server,
    /** What the app gets in Cognito's own ID token for Cognito's code. */
    redeem(code) {
      const { username, userId, nonce } = codes.get(code)
      codes.delete(code)
      const identities = [{ userId, providerName: name, providerType: 'OIDC', primary: 'true' }]
      return { 'cognito:username': username, identities, nonce, ...users.get(username) }
    },
  }
}
