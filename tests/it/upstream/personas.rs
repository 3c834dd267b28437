//! Everybody whom the simulated sgID knows, and the claims that come of them: each is an edge case of the registers.
//! Fact sheet sections 2.4 and 5.

use serde_json::{Map, Value, json};
use sgid_bridge::simulator::personas;

use super::judge::of_the_person;
use crate::support::app::PORTAL;
use crate::support::bridge::{Engine, Plan};

const SCOPE: &str = "openid profile email phone address myinfo.nric_number myinfo.date_of_birth \
    myinfo.mobile_number myinfo.registered_address myinfo.sex myinfo.vehicles myinfo.name_of_employer \
    myinfo.workpass_status myinfo.children_birth_records pocdex.public_officer_details \
    pocdex.public_officer_employments pocdex.number_of_employments ogpofficerinfo.work_email";

/// What [`SCOPE`] gives; a new persona has none yet and must get its own.
#[expect(clippy::too_many_lines, reason = "a table")]
fn expected(persona: &str) -> Value {
    let library = "EXAMPLE LIBRARY PTE LTD";
    match persona {
        "citizen" => json!({
            "name": "SAMPLE TAN MEI LING",
            "birthdate": "1990-02-03",
            "gender": "female",
            "email": "mei.ling@citizen.example",
            "phone_number": "+6580000001",
            "address": {
                "formatted": "1 EXAMPLE STREET\n#01-01\nSINGAPORE 000001",
                "street_address": "1 EXAMPLE STREET\n#01-01",
                "postal_code": "000001",
                "country": "SINGAPORE",
            },
            "myinfo.nric_number": "S0000001I",
            "myinfo.date_of_birth": "1990-02-03",
            "myinfo.mobile_number": "80000001",
            "myinfo.registered_address": "1 EXAMPLE STREET\n#01-01\nSINGAPORE 000001",
            "myinfo.sex": "FEMALE",
            "myinfo.vehicles": [{ "vehicle_number": "SXX0001A" }],
            "myinfo.name_of_employer": library,
            "myinfo.children_birth_records": [{
                "birth_cert_no": "T0000001E",
                "name": "SAMPLE CHILD ONE",
                "date_of_birth": "2017-08-09",
                "life_status": "ALIVE",
            }],
        }),
        "foreigner" => json!({
            "name": "SAMPLE IVANOVA ANNA",
            "birthdate": "1985-11-30",
            "gender": "female",
            "email": "anna@foreigner.example",
            "phone_number": "+6580000002",
            "myinfo.nric_number": "G0000001P",
            "myinfo.date_of_birth": "1985-11-30",
            "myinfo.mobile_number": "80000002",
            "myinfo.sex": "FEMALE",
            "myinfo.name_of_employer": "EXAMPLE BRIDGES PTE LTD",
            "myinfo.workpass_status": "Live",
        }),
        "nothing" => json!({}),
        "officer" => json!({
            "name": "SAMPLE NAIR PRIYA",
            "birthdate": "1978-04-25",
            "gender": "female",
            "email": "priya@officer.example",
            "phone_number": "+6580000003",
            "address": {
                "formatted": "2 EXAMPLE STREET\nSINGAPORE 000002",
                "street_address": "2 EXAMPLE STREET",
                "postal_code": "000002",
                "country": "SINGAPORE",
            },
            "myinfo.nric_number": "S0000002G",
            "myinfo.date_of_birth": "1978-04-25",
            "myinfo.mobile_number": "80000003",
            "myinfo.registered_address": "2 EXAMPLE STREET\n\nSINGAPORE 000002",
            "myinfo.sex": "FEMALE",
            "myinfo.name_of_employer": "EXAMPLE AGENCY",
            "pocdex.public_officer_details": [
                {
                    "work_email": "priya_nair@agency.example",
                    "agency_name": "Example Agency",
                    "employment_type": "Permanent",
                    "employment_title": "Engineer",
                },
                { "agency_name": "Example Board", "department_name": "Bridges" },
            ],
            "pocdex.public_officer_employments": [{
                "workEmail": "priya_nair@agency.example",
                "agencyName": "Example Agency",
                "employmentType": "Permanent",
                "employmentTitle": "Engineer",
            }],
            "pocdex.number_of_employments": "2",
            "ogpofficerinfo.work_email": "priya_nair@agency.example",
        }),
        "mononym" => ordinary(
            "SUPARMAN",
            "S0000003E",
            "1966-08-17",
            "suparman@mononym.example",
            3,
            "male",
        ),
        "non-ascii" => changed(
            ordinary(
                "ZOË ÅNGSTRÖM-陳美玲 👩‍🔬",
                "S0000004C",
                "2001-01-01",
                "zoe@non-ascii.example",
                4,
                "female",
            ),
            &[
                ("phone_number", json!("+6580000005")),
                ("myinfo.mobile_number", json!("80000005")),
                (
                    "myinfo.registered_address",
                    json!("4 EXAMPLE STRAẞE\n#04-04\nSINGAPORE 000004"),
                ),
                (
                    "address",
                    json!({
                        "formatted": "4 EXAMPLE STRAẞE\n#04-04\nSINGAPORE 000004",
                        "street_address": "4 EXAMPLE STRAẞE\n#04-04",
                        "postal_code": "000004",
                        "country": "SINGAPORE",
                    }),
                ),
            ],
        ),
        // 20,000 letters are no line of text.
        "long-value" => changed(
            ordinary(
                &format!("SAMPLE{}", " LONGNAME LONG".repeat(13)),
                "S0000005A",
                "1950-12-31",
                "long@long-value.example",
                5,
                "female",
            ),
            &[
                ("myinfo.name_of_employer", Value::Null),
                ("phone_number", json!("+6580000006")),
                ("myinfo.mobile_number", json!("80000006")),
            ],
        ),
        "no-contact" => changed(
            ordinary(
                "SAMPLE LIM HERMIT",
                "S0000006Z",
                "1944-03-01",
                "",
                6,
                "male",
            ),
            &[
                ("email", Value::Null),
                ("phone_number", Value::Null),
                ("myinfo.mobile_number", Value::Null),
            ],
        ),
        // A month is no `birthdate` of OpenID Connect; the raw claim keeps it.
        "birth-month" => changed(
            ordinary(
                "SAMPLE WONG YUE",
                "S0000007H",
                "1948-07",
                "yue@birth-month.example",
                7,
                "female",
            ),
            &[
                ("birthdate", Value::Null),
                ("phone_number", json!("+6580000007")),
                ("myinfo.mobile_number", json!("80000007")),
            ],
        ),
        "birth-year" => changed(
            ordinary(
                "SAMPLE ISMAIL BIN TAHUN",
                "S0000008F",
                "1939",
                "ismail@birth-year.example",
                8,
                "male",
            ),
            &[
                ("phone_number", json!("+6580000008")),
                ("myinfo.mobile_number", json!("80000008")),
            ],
        ),
        // Without a country code it could be another person's telephone.
        "foreign-mobile" => changed(
            ordinary(
                "SAMPLE CHONG ACROSS",
                "S0000009D",
                "1999-09-09",
                "across@foreign-mobile.example",
                9,
                "female",
            ),
            &[
                ("phone_number", Value::Null),
                ("myinfo.mobile_number", json!("94000009")),
            ],
        ),
        "sex-unknown" => changed(
            ordinary(
                "SAMPLE LEE ROBIN",
                "S0000010H",
                "1995-05-05",
                "robin@sex-unknown.example",
                10,
                "female",
            ),
            &[
                ("gender", Value::Null),
                ("myinfo.sex", json!("UNKNOWN")),
                ("phone_number", json!("+6580000010")),
                ("myinfo.mobile_number", json!("80000010")),
            ],
        ),
        "blank" => json!({ "name": "SAMPLE BLANK" }),
        other => panic!("what does {other} give?"),
    }
}

/// What the personas with one oddity share.
fn ordinary(name: &str, nric: &str, birth: &str, email: &str, number: u32, gender: &str) -> Value {
    let street = format!("{number} EXAMPLE STREET\n#{number:02}-{number:02}");
    let address = format!("{street}\nSINGAPORE {number:06}");
    json!({
        "name": name,
        "birthdate": birth,
        "gender": gender,
        "email": email,
        "phone_number": format!("+65{}", 80_000_001 + number),
        "address": {
            "formatted": address,
            "street_address": street,
            "postal_code": format!("{number:06}"),
            "country": "SINGAPORE",
        },
        "myinfo.nric_number": nric,
        "myinfo.date_of_birth": birth,
        "myinfo.mobile_number": (80_000_001 + number).to_string(),
        "myinfo.registered_address": address,
        "myinfo.sex": gender.to_uppercase(),
        "myinfo.name_of_employer": "EXAMPLE LIBRARY PTE LTD",
    })
}

/// Some claims replaced; `null` takes one away.
fn changed(mut claims: Value, changes: &[(&str, Value)]) -> Value {
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes {
        members.insert((*name).to_owned(), value.clone());
    }
    members.retain(|_, value| !value.is_null());
    claims
}

/// sgID does not say whether e-mail and telephone were verified: whoever has one has the word `false` beside it.
fn with_companions(claims: Value) -> Map<String, Value> {
    let Value::Object(mut claims) = claims else {
        panic!("claims are an object");
    };
    for (claim, companion) in [
        ("email", "email_verified"),
        ("phone_number", "phone_number_verified"),
    ] {
        if claims.contains_key(claim) {
            claims.insert(companion.to_owned(), false.into());
        }
    }
    claims
}

#[tokio::test]
async fn every_persona_gives_the_claims_that_its_values_allow() {
    let client = format!(
        "[[clients]]\nclient_id = \"portal\"\nclient_secret = \"a-client-secret-of-the-tests-0123456789\"\n\
         redirect_uris = [\"https://portal.example.sg/callback\"]\nscope = \"{SCOPE}\"\nnric_purpose = \"tests\"\n"
    );
    let bridge = Plan::on(Engine::Sqlite).clients(&client).start().await;
    assert!(personas().len() > 10);
    for persona in personas() {
        bridge.sgid.persona(persona.id());
        let tokens = PORTAL.log_in(&bridge, SCOPE).await;
        let expected = with_companions(expected(persona.id()));
        assert_eq!(of_the_person(&tokens.claims), expected, "{}", persona.id());
        let userinfo = tokens.userinfo(&bridge).await.json();
        assert_eq!(
            of_the_person(&userinfo),
            expected,
            "{} at userinfo",
            persona.id()
        );
        assert_eq!(userinfo["sub"], tokens.claims["sub"]);
        // `NA` is sgID's word for nothing: it is nobody's value.
        assert!(!userinfo.to_string().contains("\"NA\""), "{userinfo}");
    }
}

#[tokio::test]
async fn only_what_was_asked_for_is_asked_of_sgid_and_given() {
    let bridge = Plan::on(Engine::Sqlite).start().await;
    bridge
        .sgid
        .behave(sgid_bridge::simulator::Misbehaviour::UserinfoExtraFields);
    let tokens = PORTAL.log_in(&bridge, "openid email").await;
    let asked = bridge.sgid.requests().last_authorization;
    assert!(
        asked.contains(&("scope".to_owned(), "openid myinfo.email".to_owned())),
        "{asked:?}"
    );
    let names: Vec<String> = of_the_person(&tokens.claims).keys().cloned().collect();
    assert_eq!(names, ["email", "email_verified"]);
}
