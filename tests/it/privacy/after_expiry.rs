//! Claims are gone with the last token that could fetch them. DA-3.

use std::time::Duration;

use crate::support::app::PORTAL;
use crate::support::bridge::{Engine, Plan};
use crate::support::tables::Tables;
use crate::support::visitor::Visitor;

const TABLES: [&str; 3] = ["login", "authorization_code", "access_token"];
const SCOPE: &str = "openid profile myinfo.nric_number";

async fn nothing_of_anybody_is_left_after_expiry(engine: Engine) {
    let bridge = Plan::on(engine).start().await;
    // One is at sgID, one has not redeemed the code, one has tokens.
    let url = PORTAL.authorization_url(&bridge, SCOPE);
    assert_eq!(Visitor::new().get(&url).await.status, 303);
    PORTAL.code(&bridge, SCOPE).await;
    let tokens = PORTAL.log_in(&bridge, SCOPE).await;
    let mut tables = Tables::open(&bridge.database_url).await;
    bridge.bridge.sweep().await.unwrap();
    for table in TABLES {
        assert!(tables.count(table).await > 0, "{table}");
    }

    // The code, the token, and twice the patience with a person.
    for (span, emptied) in [
        (60, "authorization_code"),
        (540, "access_token"),
        (600, "login"),
    ] {
        bridge.advance(Duration::from_secs(span));
        bridge.bridge.sweep().await.unwrap();
        assert_eq!(tables.count(emptied).await, 0, "{emptied}");
    }
    assert_eq!(tokens.userinfo(&bridge).await.status, 401);
    for table in TABLES {
        assert_eq!(tables.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn nothing_of_anybody_is_left_after_expiry_on_sqlite() {
    nothing_of_anybody_is_left_after_expiry(Engine::Sqlite).await;
}

#[tokio::test]
async fn nothing_of_anybody_is_left_after_expiry_on_postgres() {
    nothing_of_anybody_is_left_after_expiry(Engine::Postgres).await;
}
