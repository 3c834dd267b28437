//! The invented people who can sign in, each one an edge case of the real registers.
//!
//! Nobody here exists: identity numbers are well-formed but start at zero, addresses have a postal
//! code that is not in use, and e-mail addresses are below reserved domains (RFC 2606).

use super::persona::{NOTHING, Persona};

/// Everybody, in the order of the chooser.
pub(super) fn everybody() -> Vec<Persona> {
    let mut everybody = vec![citizen(), foreigner(), nothing(), officer()];
    everybody.extend(odd_names());
    everybody.extend(odd_births_and_contacts());
    everybody.extend(odd_values());
    everybody
}

/// What most people in this file share.
fn ordinary(id: &'static str, display_name: &'static str, shows: &'static str) -> Persona {
    Persona::new(id, display_name, shows).with([
        ("myinfo.passport_number", "E0000001A"),
        ("myinfo.passport_expiry_date", "2031-05-17"),
        ("myinfo.sex", "FEMALE"),
        ("myinfo.race", "CHINESE"),
        ("myinfo.nationality", "SINGAPOREAN"),
        ("myinfo.residentialstatus", "CITIZEN"),
        ("myinfo.dialect", "HOKKIEN"),
        ("myinfo.occupation", "LIBRARIAN"),
        ("myinfo.housingtype", NOTHING),
        ("myinfo.hdbtype", "4-ROOM FLAT (HDB)"),
        ("myinfo.birth_country", "SINGAPORE"),
        ("myinfo.vehicles", "[]"),
        ("myinfo.name_of_employer", "EXAMPLE LIBRARY PTE LTD"),
        ("myinfo.marital_status", "SINGLE"),
        ("myinfo.children_birth_records", "[]"),
        ("myinfo.sponsored_children_records", "[]"),
    ])
}

fn citizen() -> Persona {
    ordinary("citizen", "Sample Tan Mei Ling", "An ordinary citizen who has everything: family, car, phone, address.").with([
        ("myinfo.name", "SAMPLE TAN MEI LING"),
        ("myinfo.nric_number", "S0000001I"),
        ("myinfo.date_of_birth", "1990-02-03"),
        ("myinfo.mobile_number", "80000001"),
        ("myinfo.mobile_number_with_country_code", "+65 80000001"),
        ("myinfo.email", "mei.ling@Citizen.Example"),
        ("myinfo.registered_address", "1 EXAMPLE STREET\n#01-01\nSINGAPORE 000001"),
        ("myinfo.vehicles", r#"[{"vehicle_number":"SXX0001A"}]"#),
        ("myinfo.marital_status", "MARRIED"),
        ("myinfo.country_of_marriage", "SINGAPORE"),
        ("myinfo.marriage_certificate_number", "000001"),
        ("myinfo.marriage_date", "2015-06-07"),
        (
            "myinfo.children_birth_records",
            r#"[{"birth_cert_no":"T0000001E","name":"SAMPLE CHILD ONE","date_of_birth":"2017-08-09","life_status":"ALIVE"}]"#,
        ),
        (
            "myinfo.sponsored_children_records",
            r#"[{"nric":"T0000002C","name":"SAMPLE CHILD TWO","date_of_birth":"2018-09-10","sex":"MALE","race":"CHINESE","life_status":"ALIVE","nationality":"SINGAPOREAN","residential_status":"CITIZEN"}]"#,
        ),
    ])
}

/// Who signs in while the OpenID Foundation's conformance suite runs: beside what sgID has, a value for every other
/// claim of `profile`, in fields that no register has. `docs/conformance/sgid-bridge.toml` maps them.
pub(super) fn conformance() -> Persona {
    let mut persona = citizen().with([
        ("conformance.given_name", "MEI LING"),
        ("conformance.family_name", "TAN"),
        ("conformance.middle_name", "SAMPLE"),
        ("conformance.nickname", "Mei"),
        ("conformance.profile", "https://citizen.example/mei"),
        ("conformance.picture", "https://citizen.example/mei.png"),
        ("conformance.website", "https://citizen.example/"),
        ("conformance.zoneinfo", "Asia/Singapore"),
        ("conformance.locale", "en-SG"),
        ("conformance.updated_at", "1763856000"),
        ("conformance.preferred_username", "mei.ling"),
    ]);
    persona.id = "conformance";
    persona
}

fn foreigner() -> Persona {
    Persona::new(
        "foreigner",
        "Sample Ivanova Anna",
        "A work pass holder: a FIN, no registered address, a Live pass.",
    )
    .with([
        ("myinfo.name", "SAMPLE IVANOVA ANNA"),
        ("myinfo.nric_number", "G0000001P"),
        ("myinfo.date_of_birth", "1985-11-30"),
        ("myinfo.mobile_number", "80000002"),
        ("myinfo.mobile_number_with_country_code", "+65 80000002"),
        ("myinfo.email", "anna@foreigner.example"),
        ("myinfo.registered_address", "\n\n"),
        ("myinfo.sex", "FEMALE"),
        ("myinfo.race", "OTHERS"),
        ("myinfo.nationality", "BULGARIAN"),
        ("myinfo.residentialstatus", NOTHING),
        ("myinfo.occupation", "BRIDGE ENGINEER"),
        ("myinfo.birth_country", "BULGARIA"),
        ("myinfo.vehicles", "[]"),
        ("myinfo.name_of_employer", "EXAMPLE BRIDGES PTE LTD"),
        ("myinfo.workpass_status", "Live"),
        ("myinfo.workpass_expiry_date", "2028-01-31"),
        ("myinfo.marital_status", "DIVORCED"),
        ("myinfo.divorce_date", "2020-02-29"),
    ])
}

fn nothing() -> Persona {
    Persona::new("nothing", "Nobody In Particular", "Every field is NA.")
}

fn officer() -> Persona {
    ordinary("officer", "Sample Nair Priya", "A public officer with two posts; some list members are NA.").with([
        ("myinfo.name", "SAMPLE NAIR PRIYA"),
        ("myinfo.nric_number", "S0000002G"),
        ("myinfo.date_of_birth", "1978-04-25"),
        ("myinfo.mobile_number", "80000003"),
        ("myinfo.mobile_number_with_country_code", "+65 80000003"),
        ("myinfo.email", "priya@officer.example"),
        ("myinfo.registered_address", "2 EXAMPLE STREET\n\nSINGAPORE 000002"),
        ("myinfo.race", "INDIAN"),
        ("myinfo.dialect", "MALAYALEE"),
        ("myinfo.name_of_employer", "EXAMPLE AGENCY"),
        (
            "pocdex.public_officer_details",
            r#"[{"work_email":"priya_nair@agency.example","agency_name":"Example Agency","department_name":"NA","employment_type":"Permanent","employment_title":"Engineer"},{"work_email":"NA","agency_name":"Example Board","department_name":"Bridges","employment_type":"NA","employment_title":"NA"}]"#,
        ),
        (
            "pocdex.public_officer_employments",
            r#"[{"workEmail":"priya_nair@agency.example","agencyName":"Example Agency","departmentName":"NA","employmentType":"Permanent","employmentTitle":"Engineer"}]"#,
        ),
        ("pocdex.number_of_employments", "2"),
        ("ogpofficerinfo.work_email", "priya_nair@agency.example"),
        ("sgidthirdpartymock.work_email", "priya_nair@agency.example"),
        ("sgidthirdpartymock.is_public_officer", "true"),
    ])
}

fn odd_names() -> Vec<Persona> {
    vec![
        ordinary("mononym", "Suparman", "A name of one word.").with([
            ("myinfo.name", "SUPARMAN"),
            ("myinfo.nric_number", "S0000003E"),
            ("myinfo.date_of_birth", "1966-08-17"),
            ("myinfo.mobile_number", "80000004"),
            ("myinfo.mobile_number_with_country_code", "+65 80000004"),
            ("myinfo.email", "suparman@mononym.example"),
            (
                "myinfo.registered_address",
                "3 EXAMPLE STREET\n#03-03\nSINGAPORE 000003",
            ),
            ("myinfo.sex", "MALE"),
            ("myinfo.race", "JAVANESE"),
            ("myinfo.dialect", NOTHING),
        ]),
        ordinary(
            "non-ascii",
            "Zoë Ångström-陳美玲",
            "A name beyond ASCII. Real sgID sends ASCII; this shows UTF-8.",
        )
        .with([
            ("myinfo.name", "ZOË ÅNGSTRÖM-陳美玲 👩‍🔬"),
            ("myinfo.nric_number", "S0000004C"),
            ("myinfo.date_of_birth", "2001-01-01"),
            ("myinfo.mobile_number", "80000005"),
            ("myinfo.mobile_number_with_country_code", "+65 80000005"),
            ("myinfo.email", "zoe@non-ascii.example"),
            (
                "myinfo.registered_address",
                "4 EXAMPLE STRAẞE\n#04-04\nSINGAPORE 000004",
            ),
        ]),
        ordinary(
            "long-value",
            "Sample Long Long Ago",
            "A name of 190 letters, an employer of 20,000.",
        )
        .with([
            (
                "myinfo.name",
                &format!("SAMPLE{}", " LONGNAME LONG".repeat(13)),
            ),
            ("myinfo.nric_number", "S0000005A"),
            ("myinfo.date_of_birth", "1950-12-31"),
            ("myinfo.mobile_number", "80000006"),
            ("myinfo.mobile_number_with_country_code", "+65 80000006"),
            ("myinfo.email", "long@long-value.example"),
            (
                "myinfo.registered_address",
                "5 EXAMPLE STREET\n#05-05\nSINGAPORE 000005",
            ),
            ("myinfo.name_of_employer", &"LONG & CO ".repeat(2_000)),
        ]),
    ]
}

fn odd_births_and_contacts() -> Vec<Persona> {
    vec![
        ordinary(
            "no-contact",
            "Sample Lim Hermit",
            "Neither e-mail nor mobile number.",
        )
        .with([
            ("myinfo.name", "SAMPLE LIM HERMIT"),
            ("myinfo.nric_number", "S0000006Z"),
            ("myinfo.date_of_birth", "1944-03-01"),
            (
                "myinfo.registered_address",
                "6 EXAMPLE STREET\n#06-06\nSINGAPORE 000006",
            ),
            ("myinfo.sex", "MALE"),
            ("myinfo.marital_status", "WIDOWED"),
        ]),
        ordinary(
            "birth-month",
            "Sample Wong Yue",
            "Born in a month, the day is not known (YYYY-MM).",
        )
        .with([
            ("myinfo.name", "SAMPLE WONG YUE"),
            ("myinfo.nric_number", "S0000007H"),
            ("myinfo.date_of_birth", "1948-07"),
            ("myinfo.mobile_number", "80000007"),
            ("myinfo.mobile_number_with_country_code", "+65 80000007"),
            ("myinfo.email", "yue@birth-month.example"),
            (
                "myinfo.registered_address",
                "7 EXAMPLE STREET\n#07-07\nSINGAPORE 000007",
            ),
        ]),
        ordinary(
            "birth-year",
            "Sample Ismail Bin Tahun",
            "Born in a year, nothing more is known (YYYY).",
        )
        .with([
            ("myinfo.name", "SAMPLE ISMAIL BIN TAHUN"),
            ("myinfo.nric_number", "S0000008F"),
            ("myinfo.date_of_birth", "1939"),
            ("myinfo.mobile_number", "80000008"),
            ("myinfo.mobile_number_with_country_code", "+65 80000008"),
            ("myinfo.email", "ismail@birth-year.example"),
            (
                "myinfo.registered_address",
                "8 EXAMPLE STREET\n#08-08\nSINGAPORE 000008",
            ),
            ("myinfo.sex", "MALE"),
            ("myinfo.race", "MALAY"),
        ]),
    ]
}

fn odd_values() -> Vec<Persona> {
    vec![
        ordinary(
            "foreign-mobile",
            "Sample Chong Across",
            "A mobile number whose country code is not known.",
        )
        .with([
            ("myinfo.name", "SAMPLE CHONG ACROSS"),
            ("myinfo.nric_number", "S0000009D"),
            ("myinfo.date_of_birth", "1999-09-09"),
            ("myinfo.mobile_number", "94000009"),
            ("myinfo.mobile_number_with_country_code", "94000009"),
            ("myinfo.email", "across@foreign-mobile.example"),
            (
                "myinfo.registered_address",
                "9 EXAMPLE STREET\n#09-09\nSINGAPORE 000009",
            ),
        ]),
        ordinary("sex-unknown", "Sample Lee Robin", "Sex is UNKNOWN.").with([
            ("myinfo.name", "SAMPLE LEE ROBIN"),
            ("myinfo.nric_number", "S0000010H"),
            ("myinfo.date_of_birth", "1995-05-05"),
            ("myinfo.mobile_number", "80000010"),
            ("myinfo.mobile_number_with_country_code", "+65 80000010"),
            ("myinfo.email", "robin@sex-unknown.example"),
            (
                "myinfo.registered_address",
                "10 EXAMPLE STREET\n#10-10\nSINGAPORE 000010",
            ),
            ("myinfo.sex", "UNKNOWN"),
        ]),
        Persona::new(
            "blank",
            "Sample Blank",
            "Has a name; all else is blanks, newlines, NUL bytes or [].",
        )
        .with([
            ("myinfo.name", "SAMPLE BLANK"),
            ("myinfo.nric_number", " "),
            ("myinfo.date_of_birth", ""),
            ("myinfo.mobile_number", "\t"),
            ("myinfo.mobile_number_with_country_code", "  \n "),
            ("myinfo.email", "\0"),
            ("myinfo.registered_address", "\n\n"),
            ("myinfo.sex", "\0\0 \0"),
            ("myinfo.vehicles", "\0"),
            ("myinfo.children_birth_records", "[]"),
            ("pocdex.public_officer_details", "[]"),
        ]),
    ]
}
