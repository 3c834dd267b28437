use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn convert(scope: &str, field: &str, value: &str) -> Value {
    let catalogue = Catalogue::new(&Settings::default()).unwrap();
    let wanted = catalogue.wanted(
        &ScopeSet::parse(scope).unwrap(),
        &BTreeSet::new(),
        &ScopeSet::default(),
    );
    let fields = BTreeMap::from([(field.to_owned(), value.to_owned())]);
    Value::Object(wanted.claims(&fields).into_members())
}

#[test]
fn absence_in_all_its_spellings_gives_no_claim() {
    for absent in ["NA", "", "   ", "\n\n", "\0", "\0\0\0", " NA "] {
        for (scope, field) in [
            ("profile", "myinfo.name"),
            ("profile", "myinfo.sex"),
            ("email", "myinfo.email"),
            ("phone", "myinfo.mobile_number_with_country_code"),
            ("address", "myinfo.registered_address"),
            ("myinfo.vehicles", "myinfo.vehicles"),
            ("myinfo.race", "myinfo.race"),
        ] {
            assert_eq!(
                convert(scope, field, absent),
                json!({}),
                "{scope}: {absent:?}"
            );
        }
    }
    assert_eq!(
        convert("myinfo.vehicles", "myinfo.vehicles", "[]"),
        json!({})
    );
}

#[test]
fn a_birthdate_is_a_full_date_or_a_year() {
    let birthdate = |value| convert("profile", "myinfo.date_of_birth", value);
    assert_eq!(birthdate("1990-02-03"), json!({"birthdate": "1990-02-03"}));
    assert_eq!(birthdate("1990"), json!({"birthdate": "1990"}));
    for bad in [
        "1990-02",
        "1990-02-30",
        "1849-01-01",
        "03/02/1990",
        "19900203",
        "1990-2-3",
    ] {
        assert_eq!(birthdate(bad), json!({}), "{bad}");
    }
    assert_eq!(
        convert("myinfo.date_of_birth", "myinfo.date_of_birth", "1990-02"),
        json!({"myinfo.date_of_birth": "1990-02"})
    );
}

#[test]
fn only_two_values_of_sex_are_a_gender() {
    assert_eq!(
        convert("profile", "myinfo.sex", "FEMALE"),
        json!({"gender": "female"})
    );
    assert_eq!(convert("profile", "myinfo.sex", "UNKNOWN"), json!({}));
}

#[test]
fn an_address_is_an_object() {
    let address = |value| convert("address", "myinfo.registered_address", value);
    assert_eq!(
        address("1 EXAMPLE STREET\n#01-01\nSINGAPORE 000001"),
        json!({"address": {
            "formatted": "1 EXAMPLE STREET\n#01-01\nSINGAPORE 000001",
            "street_address": "1 EXAMPLE STREET\n#01-01",
            "postal_code": "000001",
            "country": "SINGAPORE",
        }})
    );
    assert_eq!(
        address("1 EXAMPLE STREET\n\nSINGAPORE 000001")["address"]["street_address"],
        "1 EXAMPLE STREET"
    );
    assert_eq!(
        address("10 RUE DE L'EXEMPLE, PARIS"),
        json!({"address": {"formatted": "10 RUE DE L'EXEMPLE, PARIS"}})
    );
}

#[test]
fn a_telephone_number_needs_its_country_code() {
    let phone = |value| convert("phone", "myinfo.mobile_number_with_country_code", value);
    assert_eq!(
        phone("+65 81234567"),
        json!({"phone_number": "+6581234567", "phone_number_verified": false})
    );
    for bad in [
        "81234567",
        "+0123456789",
        "+65 8123 456x",
        "+1234567890123456",
        "+",
    ] {
        assert_eq!(phone(bad), json!({}), "{bad}");
    }
}

#[test]
fn an_email_address_has_its_domain_in_lower_case_and_is_not_called_verified() {
    assert_eq!(
        convert("email", "myinfo.email", "Me@Example.COM"),
        json!({"email": "Me@example.com", "email_verified": false})
    );
    for bad in [
        "me",
        "me@",
        "@example.com",
        "me@localhost",
        "a b@example.com",
    ] {
        assert_eq!(convert("email", "myinfo.email", bad), json!({}), "{bad}");
    }
}

#[test]
fn lists_lose_their_absent_members() {
    let officer =
        r#"[{"work_email":"a@b.example","department_name":"NA","x":[]},{"agency_name":"NA"}]"#;
    assert_eq!(
        convert(
            "pocdex.public_officer_details",
            "pocdex.public_officer_details",
            officer
        ),
        json!({"pocdex.public_officer_details": [{"work_email": "a@b.example"}]})
    );
    assert_eq!(
        convert("a.b", "a.b", "[not json]"),
        json!({"a.b": "[not json]"})
    );
}

#[test]
fn values_without_the_shape_of_their_field_are_no_claims() {
    assert_eq!(
        convert("myinfo.nric_number", "myinfo.nric_number", "S0000001"),
        json!({})
    );
    assert_eq!(
        convert("myinfo.nric_number", "myinfo.nric_number", "S0000001I"),
        json!({"myinfo.nric_number": "S0000001I"})
    );
    assert_eq!(convert("profile", "myinfo.name", "A\u{0}B"), json!({}));
    assert_eq!(
        convert("profile", "myinfo.name", &"X".repeat(5_000)),
        json!({})
    );
    assert_eq!(convert("a.b", "a.b", &"X".repeat(5_000)), json!({}));
}

#[test]
fn a_field_that_was_not_asked_for_is_not_looked_at() {
    assert_eq!(
        convert("profile", "myinfo.nric_number", "S0000001I"),
        json!({})
    );
    let catalogue = Catalogue::new(&Settings::default()).unwrap();
    let wanted = catalogue.wanted(
        &ScopeSet::parse("openid profile nonsense").unwrap(),
        &BTreeSet::new(),
        &ScopeSet::default(),
    );
    assert_eq!(
        wanted.fields().into_iter().collect::<Vec<_>>(),
        ["myinfo.date_of_birth", "myinfo.name", "myinfo.sex"]
    );
}

#[test]
fn a_claim_asked_for_by_name_brings_its_field_and_no_other() {
    let catalogue = Catalogue::new(&Settings::default()).unwrap();
    let openid = ScopeSet::parse("openid").unwrap();
    let fields = |names: &[&str]| -> Vec<String> {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let allowed = ScopeSet::parse("openid profile email myinfo.race").unwrap();
        let wanted = catalogue.wanted(&openid, &names, &allowed);
        wanted.fields().into_iter().map(str::to_owned).collect()
    };
    assert_eq!(fields(&["name"]), ["myinfo.name"]);
    assert_eq!(fields(&["email_verified"]), ["myinfo.email"]);
    assert_eq!(fields(&["myinfo.race"]), ["myinfo.race"]);
    let others = [
        "nonsense",
        "sub",
        "acr",
        "not.A.field",
        "phone_number",
        "myinfo.sex",
    ];
    assert!(fields(&others).is_empty());
}

#[test]
fn a_claim_by_name_comes_from_an_allowed_scope_only() {
    let settings = Settings {
        custom: vec![CustomClaim {
            claim: "email".to_owned(),
            scope: "work".to_owned(),
            from: "ogpofficerinfo.work_email".to_owned(),
            value_type: ValueType::Text,
        }],
        ..Settings::default()
    };
    let catalogue = Catalogue::new(&settings).unwrap();
    let allowed = ScopeSet::parse("openid work").unwrap();
    let names = ["email".to_owned()].into();
    let wanted = catalogue.wanted(&ScopeSet::default(), &names, &allowed);
    assert_eq!(wanted.fields(), ["ogpofficerinfo.work_email"].into());
}

#[test]
fn a_mapping_may_say_that_its_value_is_a_number() {
    let settings = Settings {
        custom: vec![CustomClaim {
            claim: "updated_at".to_owned(),
            scope: "profile".to_owned(),
            from: "registry.updated_at".to_owned(),
            value_type: ValueType::Number,
        }],
        ..Settings::default()
    };
    let catalogue = Catalogue::new(&settings).unwrap();
    let profile = ScopeSet::parse("openid profile").unwrap();
    let wanted = catalogue.wanted(&profile, &BTreeSet::new(), &ScopeSet::default());
    for (text, value) in [
        ("1763856000", Some(json!(1_763_856_000))),
        ("soon", None),
        ("NA", None),
    ] {
        let fields = BTreeMap::from([("registry.updated_at".to_owned(), text.to_owned())]);
        assert_eq!(
            wanted.claims(&fields).get("updated_at"),
            value.as_ref(),
            "{text}"
        );
    }
}

#[test]
fn custom_mappings_extend_the_table() {
    let custom = |claim: &str, scope: &str, from: &str| {
        Catalogue::new(&Settings {
            custom: vec![CustomClaim {
                claim: claim.to_owned(),
                scope: scope.to_owned(),
                from: from.to_owned(),
                value_type: ValueType::Text,
            }],
            ..Settings::default()
        })
    };
    let catalogue = custom(
        "employment.employer",
        "employment",
        "myinfo.name_of_employer",
    )
    .unwrap();
    let wanted = catalogue.wanted(
        &ScopeSet::parse("openid employment").unwrap(),
        &BTreeSet::new(),
        &ScopeSet::default(),
    );
    let fields = BTreeMap::from([("myinfo.name_of_employer".to_owned(), "ACME".to_owned())]);
    assert_eq!(
        wanted.claims(&fields).get("employment.employer"),
        Some(&json!("ACME"))
    );
    assert!(matches!(
        custom("sub", "x", "a.b"),
        Err(CatalogueError::Reserved(_))
    ));
    assert!(matches!(
        custom("x", "openid", "a.b"),
        Err(CatalogueError::Scope(_))
    ));
    assert!(matches!(
        custom("x", "x", "nodot"),
        Err(CatalogueError::From(_))
    ));
    let hidden = custom("citizen_id", "identity", "myinfo.nric_number").unwrap();
    assert!(hidden.carries_identity_number(&Scope::parse("identity").unwrap()));
}

proptest! {
    #[test]
    fn no_value_panics_or_gives_an_empty_claim(value in "\\PC{0,40}|[\\[\\]{}\":,NA \\n\\x00a-z0-9+@.-]{0,40}") {
        for (scope, field) in [("profile", "myinfo.name"), ("profile", "myinfo.date_of_birth"), ("profile", "myinfo.sex"), ("email", "myinfo.email"),
            ("phone", "myinfo.mobile_number_with_country_code"), ("address", "myinfo.registered_address"), ("a.b", "a.b"), ("myinfo.nric_number", "myinfo.nric_number")] {
            let claims = convert(scope, field, &value);
            for (_, claim) in claims.as_object().unwrap() {
                prop_assert!(!claim.is_null() && claim != "" && claim != "NA");
            }
        }
    }
}
