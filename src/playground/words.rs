//! What each scope, parameter and error code means, in one line for somebody new to OpenID Connect.

/// What asking for a scope brings.
pub(super) fn scope(name: &str) -> &'static str {
    match name {
        "openid" => "That it is OpenID Connect at all, and an identifier made for this app alone.",
        "profile" => "Name, date of birth and gender, where sgID has them.",
        "email" => "The email address.",
        "phone" | "myinfo.mobile_number_with_country_code" => {
            "The mobile number, with its country code."
        }
        "address" => "The registered address.",
        "myinfo.name" => "The full name, as on the identity card.",
        "myinfo.nric_number" => "The NRIC or FIN. Only where the law asks for it.",
        "myinfo.date_of_birth" => "The date of birth, as registered.",
        "myinfo.passport_number" => "The passport number.",
        "myinfo.passport_expiry_date" => "The day the passport expires.",
        "myinfo.mobile_number" => "The mobile number, without its country code.",
        "myinfo.email" => "The email address, as registered.",
        "myinfo.registered_address" => "The address on the card, as three lines.",
        "myinfo.sex" => "The sex, as registered.",
        "myinfo.race" => "The race, as registered.",
        "myinfo.nationality" => "The nationality.",
        "myinfo.residentialstatus" => "Citizen, permanent resident or other.",
        "myinfo.birth_country" => "The country of birth.",
        "myinfo.marital_status" => "The marital status; marriages abroad may be missing.",
        "myinfo.vehicles" => "The vehicles owned, as a list.",
        "myinfo.name_of_employer" => "The name of the employer.",
        "myinfo.workpass_status" => "The status of the work pass.",
        "myinfo.workpass_expiry_date" => "The day the work pass expires.",
        "pocdex.public_officer_details" => "The posts of a public officer, as a list.",
        sgid if sgid.contains('.') => "The sgID field of that name, as a claim of that name.",
        _ => "A scope of this bridge's own.",
    }
}

/// What a parameter of the authorization request or of its answer is for.
pub(super) fn front_channel(name: &str) -> &'static str {
    match name {
        "response_type" => "We want a code, to be exchanged for tokens out of the browser's sight.",
        "client_id" => "Who is asking: our name at the bridge.",
        "redirect_uri" => {
            "Where to send the browser afterwards. Registered beforehand, character by character."
        }
        "scope" => "What we would like to know.",
        "state" => {
            "Ties the answer to this browser, so that nobody can slip another login into it."
        }
        "nonce" => "Will stand in the ID token, which ties the token to this login.",
        "code_challenge" => {
            "The SHA-256 of a secret that we keep until the code is exchanged (PKCE)."
        }
        "code_challenge_method" => "How the challenge was made.",
        "code" => "Good for one exchange, within a minute, by us alone.",
        "iss" => "Who answers. It must be the provider that we asked.",
        "error" => "Why there is no code.",
        "error_description" => "The same in words, for developers.",
        "error_uri" => "Where to read more about the error.",
        "session_state" => "The provider's session, for apps that watch it.",
        _ => "Not a parameter that we know; ignored.",
    }
}

/// What a parameter or header of a back-channel request is for.
pub(super) fn back_channel(name: &str) -> &'static str {
    match name {
        "Authorization: Basic" => {
            "Our name and our secret prove who we are. The secret is not shown."
        }
        "Authorization: Bearer" => {
            "The access token from step 3. Whoever holds it may read the claims."
        }
        "grant_type" => "What we hand in: an authorization code.",
        "code" => "The code from step 2. Now it is spent.",
        "redirect_uri" => "The same as in step 1; otherwise the code is refused.",
        "code_verifier" => "The secret behind the challenge of step 1: only we have it.",
        "client_id" => "Our name. We have no secret, so PKCE is our only proof.",
        _ => "",
    }
}

/// What an error code of the authorization or token endpoint means for the one who reads it.
pub(super) fn error(code: &str) -> &'static str {
    match code {
        "access_denied" => "The person did not agree, or is not allowed to log in here.",
        "login_required" => "Nobody is logged in, and we had asked not to show a login page.",
        "consent_required" | "interaction_required" | "account_selection_required" => {
            "The person would have to answer something first, and we had asked not to show a page."
        }
        "invalid_request" => "Our request lacked something, or said something twice.",
        "invalid_scope" => "We asked for a scope that is unknown, or that we may not have.",
        "invalid_client" => "The bridge does not know this app, or its secret is wrong.",
        "invalid_grant" => "The code was spent already, has expired, or was not made for us.",
        "unauthorized_client" => "This app is not allowed to log people in this way.",
        "unsupported_response_type" => "The bridge gives nothing but codes.",
        "server_error" => "Something broke at the bridge, or behind it at sgID.",
        "temporarily_unavailable" => {
            "The bridge or sgID is overloaded or resting. Try again shortly."
        }
        _ => "The bridge reported a problem.",
    }
}
