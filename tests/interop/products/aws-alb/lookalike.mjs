// Behaves towards an OpenID Connect identity provider as an AWS Application Load Balancer with `authenticate-oidc`
// does, from its documentation.
//
// [alb]    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html
// [api]    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_AuthenticateOidcActionConfig.html
// [mend]   https://repost.aws/knowledge-center/elb-configure-authentication-alb
// [error]  https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
import { createCipheriv, createDecipheriv, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { basic, call, listen, mustBeForUs, random, unverified } from '../../lib/hosted.mjs'

/** What is wrong with an action before anybody signs in. */
export function complaints({ Type, AuthenticateOidcConfig: config }) {
  const found = []
  if (Type !== 'authenticate-oidc') found.push('Type is not authenticate-oidc')
  // [api]: four full URLs with https; nothing is discovered.
  for (const name of ['Issuer', 'AuthorizationEndpoint', 'TokenEndpoint', 'UserInfoEndpoint']) {
    if (!config[name]?.startsWith('https://')) found.push(`${name} is not https`)
  }
  if (!config.ClientId || !config.ClientSecret) found.push('ClientId or ClientSecret is missing')
  if (Object.keys(config.AuthenticationRequestExtraParams ?? {}).length > 10) found.push('more than 10 AuthenticationRequestExtraParams')
  return found
}

/**
 * A load balancer with this action, in front of an app.
 * @param config AuthenticateOidcConfig
 * @param origin the address of the load balancer, https
 * @param app what the target answers, given the headers that the load balancer adds
 * @param clientAuth, userinfoMethod assumptions, both ways tested: the documentation does not say how the client
 *   authenticates at the token endpoint, nor by which method userinfo is asked
 */
export async function startLoadBalancer({ config, origin, app, clientAuth = 'client_secret_basic', userinfoMethod = 'GET' }) {
  const redirectUri = `${origin}/oauth2/idpresponse`
  const cookieName = config.SessionCookieName ?? 'AWSELBAuthSessionCookie'
  const lifetime = config.SessionTimeout ?? 604_800
  const seal = sealing()
  const signer = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const kid = random(16)

  // [alb] step 1. No PKCE and no nonce: [alb] names neither, and requests seen in public have these five parameters.
  // [mend]: what the product calls a nonce is a cookie that belongs to `state`.
  function authenticate(url) {
    if (config.OnUnauthenticatedRequest === 'deny') return { status: 401, text: '' }
    const nonce = randomBytes(12).toString('base64')
    const state = seal.close({ url: url.href, nonce })
    const parameters = { client_id: config.ClientId, redirect_uri: redirectUri, response_type: 'code', scope: config.Scope ?? 'openid', state, ...config.AuthenticationRequestExtraParams }
    // `state` is base64 of the kind with + / =. The spaces of the scope are said to arrive as they are, which browsers make %20:
    // https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/1344
    const query = Object.entries(parameters).map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
    return { to: `${config.AuthorizationEndpoint}?${query.join('&')}`, headers: { 'set-cookie': `AWSALBAuthNonce=${nonce}; Path=/; Secure; HttpOnly; SameSite=None` } }
  }

  async function idpResponse(given, cookies) {
    const begun = seal.open(given.get('state'))
    // [mend]: state missing or wrong, or its cookie: 401.
    if (!begun || begun.nonce !== cookies.get('AWSALBAuthNonce')) return { status: 401, text: '401 Authorization Required' }
    // [error]: 561 where the identity provider returned an error.
    const failed = (why) => ({ status: 561, text: `561: ${why}` })
    if (given.has('error')) return failed(`${given.get('error')}: ${given.get('error_description')}`)

    // [alb] step 2
    const form = { grant_type: 'authorization_code', code: given.get('code'), redirect_uri: redirectUri }
    const headers = {}
    if (clientAuth === 'client_secret_basic') headers.authorization = basic(config.ClientId, config.ClientSecret)
    else Object.assign(form, { client_id: config.ClientId, client_secret: config.ClientSecret })
    const tokens = await call(config.TokenEndpoint, { method: 'POST', headers, form })
    if (tokens.status !== 200) return failed(`token endpoint: ${tokens.status} ${tokens.text}`)
    // [alb] step 3: validates the ID token. It is told of no keys, so the signature cannot be what it looks at.
    try {
      mustBeForUs(unverified(tokens.json.id_token), { issuer: config.Issuer, clientId: config.ClientId })
    } catch (error) {
      return failed(`ID token: ${error.message}`)
    }
    const { access_token: accessToken } = tokens.json
    const userinfo = await call(config.UserInfoEndpoint, { method: userinfoMethod, headers: { authorization: `Bearer ${accessToken}` } })
    if (userinfo.status !== 200) return failed(`userinfo: ${userinfo.status} ${userinfo.text}`)
    // [alb] step 4: 11K for claims and access token together, else 500; cookies of 4K.
    if (userinfo.text.length + accessToken.length > 11 * 1024) return { status: 500, text: 'ELBAuthUserClaimsSizeExceeded' }
    const session = seal.close({ claims: userinfo.json, accessToken, until: Date.now() / 1000 + lifetime })
    const shards = session.match(/.{1,4000}/g).map((shard, index) => `${cookieName}-${index}=${shard}; Max-Age=${lifetime}; Path=/; Secure; HttpOnly`)
    return { to: begun.url, headers: { 'set-cookie': shards } }
  }

  function forward(url, { claims, accessToken }) {
    // [alb] "user claims encoding": base64url with padding, ES256.
    const encode = (value) => padded(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))
    const head = { typ: 'JWT', kid, alg: 'ES256', iss: config.Issuer, client: config.ClientId, signer: 'arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID', exp: Math.floor(Date.now() / 1000) + 120 }
    const signed = `${encode(head)}.${encode(claims)}`
    const signature = sign('sha256', Buffer.from(signed), { key: signer.privateKey, dsaEncoding: 'ieee-p1363' })
    return app({
      path: url.pathname,
      'x-amzn-oidc-accesstoken': accessToken,
      'x-amzn-oidc-identity': claims.sub,
      'x-amzn-oidc-data': `${signed}.${padded(signature)}`,
    })
  }

  const server = await listen(({ url, cookies }) => {
    if (url.pathname === '/oauth2/idpresponse') return idpResponse(url.searchParams, cookies)
    let text = ''
    for (let index = 0; cookies.has(`${cookieName}-${index}`); index += 1) text += cookies.get(`${cookieName}-${index}`)
    const session = seal.open(text)
    return session?.until > Date.now() / 1000 ? forward(url, session) : authenticate(url)
  })
  /** What https://public-keys.auth.elb.REGION.amazonaws.com/KID gives the app. */
  return { ...server, publicKey: (asked) => (asked === kid ? signer.publicKey : undefined) }
}

const padded = (bytes) => bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_')

/** What only the load balancer itself can read. */
function sealing() {
  const key = randomBytes(32)
  return {
    close(value) {
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, iv)
      return Buffer.concat([iv, cipher.update(JSON.stringify(value)), cipher.final(), cipher.getAuthTag()]).toString('base64')
    },
    open(text) {
      const bytes = Buffer.from(text ?? '', 'base64')
      if (bytes.length < 28) return undefined
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAuthTag(bytes.subarray(-16))
      try {
        return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]))
      } catch {
        return undefined
      }
    },
  }
}
