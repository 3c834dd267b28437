// Behaves towards an OpenID Connect identity provider as Azure AD B2C does, from its documentation.
//
// [flow]   https://learn.microsoft.com/en-us/azure/active-directory-b2c/identity-provider-generic-openid-connect
// [policy] https://learn.microsoft.com/en-us/azure/active-directory-b2c/openid-connect-technical-profile
import { randomBytes } from 'node:crypto'
import { basic, call, discover, listen, mustBeForUs, verified } from '../../lib/hosted.mjs'

const NEEDED = ['issuer', 'authorization_endpoint', 'token_endpoint', 'jwks_uri']

/** The fields of "New OpenID Connect provider", by their names there. */
export function fromPortal(fields) {
  const claims = { issuerUserId: fields['User ID'], displayName: fields['Display name'], givenName: fields['Given name'], surname: fields.Surname, email: fields.Email }
  return {
    metadataUrl: fields['Metadata url'],
    clientId: fields['Client ID'],
    clientSecret: fields['Client secret'],
    scope: fields.Scope,
    responseType: fields['Response type'],
    responseMode: fields['Response mode'],
    claims: Object.entries(claims).filter(([, claim]) => claim),
  }
}

/** A technical profile of a custom policy. The secret is in a policy key. */
export function fromPolicy(xml, clientSecret) {
  const item = (name) => xml.match(new RegExp(`<Item Key="${name}">([^<]*)</Item>`))?.[1]
  const claims = [...xml.matchAll(/<OutputClaim ClaimTypeReferenceId="(\w+)" PartnerClaimType="(\w+)" *\/>/g)]
  if (item('UsePolicyInRedirectUri') !== 'false') throw new Error('the redirect URI would contain the name of the policy')
  return {
    metadataUrl: item('METADATA'),
    clientId: item('client_id'),
    clientSecret,
    scope: item('scope'),
    responseType: item('response_types'),
    // [policy]: the defaults.
    responseMode: item('response_mode') ?? 'form_post',
    clientAuth: item('token_endpoint_auth_method') ?? 'client_secret_post',
    claims: claims.map(([, own, theirs]) => [own, theirs]),
  }
}

/** What B2C has against settings before anybody signs in. */
export function complaints({ metadataUrl, clientSecret, scope, responseType, responseMode, claims }) {
  const found = []
  if (!/^https:.*\/\.well-known\/openid-configuration$/.test(metadataUrl)) found.push('the metadata URL is no https URL of a metadata document')
  // [flow]: without an ID token nobody can sign in.
  if (!scope.split(' ').includes('openid')) found.push('the scope lacks openid')
  if (!['code', 'id_token'].includes(responseType)) found.push('the response type is neither code nor id_token')
  if (responseType === 'code' && !clientSecret) found.push('the response type code needs a client secret')
  if (!['form_post', 'query'].includes(responseMode)) found.push('the response mode is neither form_post nor query')
  if (!claims.some(([own]) => own === 'issuerUserId')) found.push('no claim is the user ID')
  return found
}

/**
 * A tenant with this identity provider.
 * @param settings of `fromPortal` or `fromPolicy`
 * @param domain the tenant's own address, https; `tenant` is the name in the path, in lower case
 */
export async function startTenant({ settings, domain, tenant }) {
  const { clientId, clientSecret, scope, responseType, responseMode, clientAuth = 'client_secret_post', claims } = settings
  const metadata = await discover(settings.metadataUrl, NEEDED)
  const redirectUri = `${domain}/${tenant}.onmicrosoft.com/oauth2/authresp`
  const waiting = new Map()

  function authorize() {
    const session = { SID: `x-ms-cpim-rc:${randomBytes(16).toString('hex')}`, TID: randomBytes(16).toString('hex') }
    const state = `StateProperties=${Buffer.from(JSON.stringify(session)).toString('base64')}`
    const nonce = randomBytes(16).toString('base64')
    waiting.set(state, nonce)
    // Assumption, as the documentation names neither: these parameters in this order, a nonce and no PKCE, is what requests of
    // B2C to identity providers look like that were published, for instance in
    // https://learn.microsoft.com/en-us/answers/questions/5789574/azure-ad-b2c (no PKCE). Escapes are in lower case,
    // and `state` has = signs.
    const parameters = { client_id: clientId, redirect_uri: redirectUri, response_type: responseType, scope, response_mode: responseMode, nonce, ui_locales: 'en', state }
    const escape = (value) => encodeURIComponent(value).replaceAll('%20', '+').replace(/%../g, (it) => it.toLowerCase())
    return { to: `${metadata.authorization_endpoint}?${Object.entries(parameters).map(([key, value]) => `${key}=${escape(value)}`).join('&')}` }
  }

  async function authresp(given) {
    const nonce = waiting.get(given.get('state'))
    waiting.delete(given.get('state'))
    if (!nonce) return { status: 400, text: 'AADB2C90035: the state is not known' }
    const failed = (why) => ({ status: 400, text: `AADB2C90273: An invalid response was received: '${why}'` })
    if (given.has('error')) return failed(`Error: ${given.get('error')}, Error Description: ${given.get('error_description')}`)
    let idToken = given.get('id_token')
    if (responseType === 'code') {
      const form = { grant_type: 'authorization_code', code: given.get('code'), redirect_uri: redirectUri, client_id: clientId }
      const headers = {}
      if (clientAuth === 'client_secret_basic') headers.authorization = basic(clientId, clientSecret)
      else form.client_secret = clientSecret
      const tokens = await call(metadata.token_endpoint, { method: 'POST', headers, form })
      if (tokens.status !== 200) return failed(`token endpoint: ${tokens.status} ${tokens.text}`)
      idToken = tokens.json.id_token
    }
    try {
      const jwks = await call(metadata.jwks_uri)
      // Assumption: RS256. The documentation excludes encrypted ID tokens only, and names no algorithm.
      const came = verified(idToken, jwks.json.keys, ['RS256'])
      mustBeForUs(came, { issuer: metadata.issuer, clientId, nonce })
      // [flow]: claims come from the ID token. Userinfo is not asked.
      const user = Object.fromEntries(claims.map(([own, theirs]) => [own, came[theirs]]))
      if (!user.issuerUserId) return failed('the ID token lacks the claim that is the user ID')
      return { json: { identityProvider: came.iss, ...user } }
    } catch (error) {
      return failed(error.message)
    }
  }

  const server = await listen(({ method, url, form }) => {
    if (url.pathname.endsWith('/oauth2/v2.0/authorize')) return authorize()
    if (`${domain}${url.pathname}` !== redirectUri) return { status: 404, text: 'not found' }
    // An answer that comes another way than was asked for is none.
    if (method !== (responseMode === 'form_post' ? 'POST' : 'GET')) return { status: 400, text: `AADB2C: an answer by ${method}` }
    return authresp(method === 'POST' ? form : url.searchParams)
  })
  return { ...server, signIn: `${domain}/${tenant}.onmicrosoft.com/b2c_1_signin/oauth2/v2.0/authorize` }
}
