//! Every oddity and fault that the simulated sgID knows, and how a login must end under it. UP-2 to UP-9, PL-1 to PL-6.

use sgid_bridge::simulator::Misbehaviour as M;

use super::judge::{ALL_CLAIMS, Outcome, UNAVAILABLE, UNTRUSTED, judge};
use crate::support::bridge::{Engine, Plan, TestBridge};

/// One line for each kind of ending; a new misbehaviour does not compile until it stands in one of them.
#[expect(clippy::too_many_lines, reason = "a table")]
fn expected(misbehaviour: M) -> Outcome {
    match misbehaviour {
        M::None
        | M::CallbackRightIss
        | M::TokenExtraMembers
        | M::IdTokenNoKid
        | M::IdTokenAudienceArray
        | M::IdTokenRightAzp
        | M::IdTokenRightAtHash
        | M::IdTokenTypeJwt
        | M::JwksForeignKeys
        | M::UserinfoExtraFields
        | M::BlockKeyRsaOaepSha1
        | M::BlockKeyPythonQuoted
        | M::BlockKey256Dir
        | M::BlockKeyDir128
        | M::BlockKeyCbc => ALL_CLAIMS,

        // The last of the fields in the order in which we ask is `myinfo.vehicles`.
        M::UserinfoMissingField | M::UserinfoBlankField => Outcome::Claims {
            but_not: &["myinfo.vehicles"],
        },
        // Nothing in the format shows it; each value then lacks the shape of its field (PL-6).
        M::FieldSwapped => Outcome::Claims {
            but_not: &["birthdate", "email", "email_verified"],
        },
        M::UserinfoWithoutData | M::UserinfoNullData => Outcome::Claims {
            but_not: &[
                "name",
                "birthdate",
                "gender",
                "email",
                "email_verified",
                "myinfo.vehicles",
            ],
        },

        M::CallbackErrorAccessDenied => Outcome::Error("access_denied"),

        // sgID says so itself, is too slow, or the connection does not hold.
        M::CallbackErrorTemporarilyUnavailable
        | M::TokenSlow
        | M::TokenTrickles
        | M::TokenStatus429
        | M::TokenStatus500
        | M::TokenDropsConnection
        | M::TokenCutOff
        | M::JwksSlow
        | M::JwksStatus500
        | M::JwksDropsConnection
        | M::UserinfoSlow
        | M::UserinfoTrickles
        | M::UserinfoStatus429
        | M::UserinfoStatus500
        | M::UserinfoDropsConnection
        | M::UserinfoCutOff => UNAVAILABLE,

        // Repeated, contradictory or missing: refused without an upstream request (CB-6), and without spoiling the
        // login of whoever follows a forged link.
        M::CallbackDuplicateState
        | M::CallbackDuplicateCode
        | M::CallbackCodeAndError
        | M::CallbackNoCode
        | M::CallbackNoState
        | M::CallbackWrongState => Outcome::Page(400),

        M::CallbackErrorInvalidScope
        | M::CallbackErrorServerError
        | M::CallbackErrorUnknown
        | M::CallbackWrongIss
        | M::TokenNotJson
        | M::TokenOversized
        | M::TokenGzipBomb
        | M::TokenStatus400
        | M::TokenStatus401
        | M::TokenRedirect
        | M::TokenDuplicateMember
        | M::TokenDeepJson
        | M::TokenNoAccessToken
        | M::TokenNoIdToken
        | M::IdTokenWrongSignature
        | M::IdTokenAlgNone
        | M::IdTokenAlgHs256
        | M::IdTokenAlgHs256Secret
        | M::IdTokenAlgEs256
        | M::IdTokenAlgPs256
        | M::IdTokenUnknownKid
        | M::IdTokenCrit
        | M::IdTokenEmbeddedJwk
        | M::IdTokenRemoteKey
        | M::IdTokenDuplicateHeader
        | M::IdTokenWrongType
        | M::IdTokenTwoParts
        | M::IdTokenWrongIssuer
        | M::IdTokenNoIssuer
        | M::IdTokenWrongAudience
        | M::IdTokenNoAudience
        | M::IdTokenTwoAudiences
        | M::IdTokenWrongAzp
        | M::IdTokenWrongNonce
        | M::IdTokenNoNonce
        | M::IdTokenExpired
        | M::IdTokenNoExpiry
        | M::IdTokenNoIssuedAt
        | M::IdTokenTextTimes
        | M::IdTokenIssuedInFuture
        | M::IdTokenIssuedLongAgo
        | M::IdTokenNotYetValid
        | M::IdTokenNoSubject
        | M::IdTokenEmptySubject
        | M::IdTokenLongSubject
        | M::IdTokenNumberSubject
        | M::IdTokenWrongAtHash
        | M::IdTokenDuplicateClaim
        | M::JwksNotJson
        | M::JwksEmpty
        | M::JwksWeakKey
        | M::JwksEncryptionKey
        | M::JwksDuplicateMember
        | M::JwksOversized
        | M::JwksRedirect
        | M::UserinfoWrongSubject
        | M::UserinfoNoSubject
        | M::UserinfoPlainData
        | M::UserinfoTooManyFields
        | M::UserinfoDuplicateMember
        | M::UserinfoDuplicateField
        | M::UserinfoDeepJson
        | M::UserinfoNotJson
        | M::UserinfoOversized
        | M::UserinfoStatus401Challenge
        | M::UserinfoStatus401BareError
        | M::UserinfoStatus401BareText
        | M::UserinfoRedirect
        | M::BlockKeyForOtherRsaKey
        | M::BlockKeyRsa15
        | M::BlockKeyWithZip
        | M::BlockKeyWrongLength
        | M::BlockKeyNotOct
        | M::BlockKeyNotJwk
        | M::FieldAltered
        | M::FieldTruncatedTag
        | M::FieldShortIv
        | M::FieldWithZip
        | M::FieldWithCrit
        | M::FieldFourParts
        | M::FieldAlgPbes2
        | M::FieldAlgEcdhEs
        | M::FieldAlgRsaOaep
        | M::FieldWrongKey
        | M::FieldNotUtf8
        | M::FieldNotText => UNTRUSTED,
    }
}

#[test]
fn a_legal_oddity_never_fails_a_login_and_a_fault_never_gives_all_claims() {
    for &misbehaviour in M::ALL {
        let gives_claims = matches!(expected(misbehaviour), Outcome::Claims { .. });
        // The one fault that cannot be seen.
        let is_invisible = misbehaviour == M::FieldSwapped;
        assert_eq!(
            gives_claims,
            misbehaviour.is_legal() || is_invisible,
            "{misbehaviour:?}"
        );
        assert!(!is_invisible || expected(misbehaviour) != ALL_CLAIMS);
    }
}

/// With a short patience, so that the slow ones are over soon.
async fn bridge(engine: Engine) -> TestBridge {
    Plan::on(engine)
        .upstream_settings("timeout = \"1s\"")
        .start()
        .await
}

/// All failures together, rather than the first.
async fn judge_each(bridge: &TestBridge, misbehaviours: impl Iterator<Item = M>) {
    let mut failures = Vec::new();
    for misbehaviour in misbehaviours {
        let verdict = judge(bridge, misbehaviour, expected(misbehaviour)).await;
        if let Err(failure) = verdict {
            failures.push(format!("{}: {failure}", misbehaviour.name()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn touches_keys(misbehaviour: M) -> bool {
    misbehaviour.group() == "Keys"
}

#[tokio::test]
async fn every_misbehaviour_of_a_login_ends_as_it_must() {
    let bridge = bridge(Engine::Sqlite).await;
    judge_each(
        &bridge,
        M::ALL.iter().copied().filter(|one| !touches_keys(*one)),
    )
    .await;
    judge_each(&bridge, [M::None].into_iter()).await;
}

#[tokio::test]
async fn every_misbehaviour_of_the_keys_ends_as_it_must_where_no_key_is_known() {
    let bridge = bridge(Engine::Sqlite).await;
    // Those that give a key come last: from then on the set is known.
    let (legal, wrong): (Vec<M>, Vec<M>) = M::ALL
        .iter()
        .copied()
        .filter(|one| touches_keys(*one))
        .partition(|one| one.is_legal());
    judge_each(&bridge, wrong.into_iter().chain(legal)).await;
}

#[tokio::test]
async fn a_handful_ends_alike_on_postgres() {
    let bridge = bridge(Engine::Postgres).await;
    let handful = [
        M::None,
        M::CallbackErrorAccessDenied,
        M::CallbackWrongState,
        M::TokenCutOff,
        M::IdTokenWrongNonce,
        M::UserinfoWrongSubject,
        M::UserinfoStatus500,
        M::FieldAltered,
        M::BlockKeyCbc,
    ];
    judge_each(&bridge, handful.into_iter()).await;
}
