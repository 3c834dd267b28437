import { variant, Visitor } from '../../lib/hosted.mjs'
import { complaints, connectionKey, startTenant } from './lookalike.mjs'

const SCOPE = 'openid profile email'
const DOMAIN = 'https://sgid-demo.au.auth0.com'

export default {
  product: 'auth0',
  title: 'Auth0',
  version: 'a scripted look-alike',
  exercised: 'discovery, back channel with PKCE as discovery offers it, client_secret_post and private_key_jwt, ID token, nonce, claims from ID token and userinfo; the refusals without PKCE and of the front channel',

  async install() {},

  async run(ctx) {
    const { check, recipe } = ctx
    const clients = recipe.block('sgid-bridge.toml')
    const key = connectionKey()
    const bridge = await ctx.bridge({
      config: [
        clients,
        variant(clients, 'with-basic', { token_endpoint_auth_method: undefined }),
        variant(clients, 'without-pkce', { scope: '"openid profile email"\nrequire_pkce = false' }),
        variant(clients, 'with-form-post', { scope: '"openid profile email"\nresponse_modes = ["query", "form_post"]' }),
        variant(clients, 'with-key', {
          client_secret_file: undefined,
          token_endpoint_auth_method: `"private_key_jwt"\njwks = { keys = [{ ${Object.entries(key.jwk).map((pair) => `${pair[0]} = "${pair[1]}"`).join(', ')} }] }`,
        }),
      ].join('\n'),
      secrets: { 'keys/auth0-secret': ctx.secret },
    })
    const connection = (issuer) => JSON.parse(recipe.block('connection.json', { 'https://login.example.sg': issuer, 'THE-SECRET': ctx.secret }))
    check.equal(complaints(connection('https://login.sgid-bridge.test')), [], 'what Auth0 has against the connection')

    const signIn = async (options = {}) => {
      const it = connection(bridge.issuer)
      Object.assign(it.options, options)
      const tenant = await startTenant({ connection: it, domain: DOMAIN, key })
      try {
        const visitor = new Visitor({ [DOMAIN]: tenant.address })
        const { status, text, url } = await visitor.open(tenant.signIn)
        check.equal(url.origin, DOMAIN, 'where the sign-in ends')
        const asked = new URL(visitor.trail.find((each) => each.includes(`${bridge.issuer}/authorize?`)).slice(4)).searchParams
        return { status, result: JSON.parse(text), asked, visitor }
      } finally {
        await tenant.close()
      }
    }
    const claims = ctx.claims(SCOPE)
    const signedIn = async (options) => {
      const { status, result, asked } = await signIn(options)
      check.equal(status, 200, `the status of a sign-in (${JSON.stringify(result)})`)
      check.match(result.user_id, /^oidc\|sgid\|[A-Za-z0-9_-]{43}$/, 'user_id')
      check.equal(result.name, claims.name, 'name')
      check.equal(result.email, claims.email, 'email')
      check.equal(result.email_verified, false, 'email_verified')
      return { user: result, asked }
    }

    const { user, asked } = await signedIn()
    check.equal(asked.get('code_challenge_method'), 'S256', 'the PKCE that discovery leads to')
    check.that(!asked.has('nonce'), 'no nonce is sent on the back channel by default')
    check.equal(user.birthdate, claims.birthdate, 'birthdate')
    check.equal(user.gender, claims.gender, 'gender')
    check.equal((await signedIn()).user.user_id, user.user_id, 'user_id at the second sign-in')
    check.equal((await signedIn({ connection_settings: { pkce: 's256' } })).user.user_id, user.user_id, 'user_id with pkce = s256')

    const withNonce = await signedIn({ send_back_channel_nonce: true })
    check.that(withNonce.asked.has('nonce'), 'a nonce is sent where it is switched on')
    check.equal(withNonce.user.user_id, user.user_id, 'user_id with a nonce')
    const fromUserinfo = Object.fromEntries(['name', 'email', 'email_verified', 'birthdate', 'gender'].map((claim) => [claim, `\${context.userinfo.${claim}}`]))
    const mapped = await signedIn({ attribute_map: { mapping_mode: 'use_map', userinfo_scope: SCOPE, attributes: fromUserinfo } })
    check.equal(mapped.user, user, 'the user where the mapping takes the claims from userinfo')

    const refusal = async (options) => {
      const { status, result, visitor } = await signIn(options)
      check.equal(status, 400, `the status of a sign-in that is refused (${JSON.stringify(result)})`)
      return { ...result, last: visitor.trail.at(-1) }
    }
    const noPkce = await refusal({ connection_settings: { pkce: 'disabled' } })
    check.equal(noPkce.error, 'invalid_request', 'the error without PKCE')
    check.includes(noPkce.error_description, 'code_challenge is missing', 'the refusal without PKCE')
    check.includes(noPkce.error_description, 'require_pkce = false', 'how to mend it')
    const plain = await refusal({ connection_settings: { pkce: 'plain' } })
    check.includes(plain.error_description, 'code_challenge_method must be S256', 'the refusal of plain')
    const exempt = await signedIn({ client_id: 'without-pkce', connection_settings: { pkce: 'disabled' }, send_back_channel_nonce: true })
    check.equal(exempt.user.user_id, user.user_id, 'user_id without PKCE, with the exemption and a nonce')
    const basic = await refusal({ client_id: 'with-basic' })
    check.equal(basic.error, 'invalid_client', 'the error of client_secret_post while client_secret_basic is registered')
    // The front channel asks for two things that the client may not have; the bridge names one of them first.
    const front = await refusal({ type: 'front_channel' })
    check.match(`${front.error}: ${front.error_description}`, /^(unsupported_response_type: .*choose the authorization code flow|invalid_request: response_mode\b)/, 'the refusal of the front channel')
    const frontWithFormPost = await refusal({ type: 'front_channel', client_id: 'with-form-post' })
    check.equal(frontWithFormPost.error, 'unsupported_response_type', 'the error on the front channel where form_post is registered')
    check.includes(frontWithFormPost.error_description, 'choose the authorization code flow', 'how to mend it')
    check.that(frontWithFormPost.last.startsWith(`POST ${DOMAIN}/login/callback`), 'that refusal is posted')

    const byKey = { client_id: 'with-key', client_secret: undefined, token_endpoint_auth_method: 'private_key_jwt' }
    const keyed = await signedIn({ ...byKey, token_endpoint_jwtca_aud_format: 'issuer' })
    check.equal(keyed.user.user_id, user.user_id, 'user_id with private_key_jwt')
    check.equal((await refusal(byKey)).error, 'invalid_client', 'the error where the audience of the assertion is the token endpoint')
  },
}
