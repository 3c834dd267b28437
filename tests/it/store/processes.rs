//! Two processes on one database, and one that is killed. Each test starts its own binary again, to run the same
//! test as a worker: then, and only then, it finds orders in its environment.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use sgid_bridge::secret::{AuthorizationCode, Bearer, MasterKey, MasterKeys};
use sgid_bridge::store::{Spending, Store};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::place::{Place, connect};
use super::values::{A_MINUTE, NOW, access, fresh, grant, origin};
use crate::support::process::Process;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_exactly_one_spends_a_code_on_postgres() {
    if let Some(orders) = Orders::given() {
        return orders.carry_out().await;
    }
    let place = Place::on_postgres().await;
    exactly_one_spends(
        &place,
        "of_two_processes_exactly_one_spends_a_code_on_postgres",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_exactly_one_spends_a_code_on_sqlite() {
    if let Some(orders) = Orders::given() {
        return orders.carry_out().await;
    }
    let place = Place::on_sqlite();
    exactly_one_spends(
        &place,
        "of_two_processes_exactly_one_spends_a_code_on_sqlite",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_the_death_of_the_process_on_postgres() {
    if let Some(orders) = Orders::given() {
        return orders.carry_out().await;
    }
    let place = Place::on_postgres().await;
    acknowledged_survives(
        &place,
        "what_was_acknowledged_survives_the_death_of_the_process_on_postgres",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_the_death_of_the_process_on_sqlite() {
    if let Some(orders) = Orders::given() {
        return orders.carry_out().await;
    }
    let place = Place::on_sqlite();
    acknowledged_survives(
        &place,
        "what_was_acknowledged_survives_the_death_of_the_process_on_sqlite",
    )
    .await;
}

async fn exactly_one_spends(place: &Place, test: &str) {
    let store = place.store().await;
    let code = fresh();
    let expires_at = NOW.after(A_MINUTE);
    store.put_code(&code, &grant(), expires_at).await.unwrap();

    let mut workers = [(); 2].map(|()| start_worker(place, test, Task::Spend(code.expose())));
    for worker in &workers {
        worker.wait_for_line("ready", PATIENCE).await;
    }
    for worker in &workers {
        worker.signal(Signal::SIGUSR1);
    }
    let mut spent = 0;
    for worker in &mut workers {
        assert!(worker.wait(PATIENCE).await.success(), "{}", worker.output());
        let line = worker.wait_for_line("spent: ", PATIENCE).await;
        let (_, count) = line.split_once("spent: ").unwrap();
        spent += count.trim().parse::<u32>().unwrap();
    }
    assert_eq!(spent, 1);
}

async fn acknowledged_survives(place: &Place, test: &str) {
    place.store().await.close().await;
    let mut worker = start_worker(place, test, Task::Keep);
    worker.wait_for_line("ready", PATIENCE).await;
    worker.signal(Signal::SIGUSR1);
    worker.wait_for_line("kept 30: ", PATIENCE).await;
    worker.stop(Signal::SIGKILL, PATIENCE).await;

    let output = worker.stdout();
    let lines = output.lines().filter_map(|line| line.split_once("kept "));
    let codes: Vec<_> = lines
        .filter_map(|(_, kept)| Bearer::<AuthorizationCode>::parse(kept.split_once(": ")?.1))
        .collect();
    assert!(codes.len() >= 30);
    let store = place.store().await;
    for code in &codes {
        let row = store.find_code(code, NOW).await.unwrap().unwrap().row;
        assert_eq!(spend(&store, row).await, Spending::AlreadySpent);
    }
    // What the dead process may have locked is free again.
    let expires_at = NOW.after(A_MINUTE);
    store
        .put_code(&fresh(), &grant(), expires_at)
        .await
        .unwrap();
}

/// What a worker is told, through its environment.
#[derive(Serialize, Deserialize)]
struct Orders {
    url: String,
    master_key: String,
    task: Task,
}

#[derive(Serialize, Deserialize)]
enum Task {
    /// Tries to spend this code, many times at once, and says how often that worked.
    Spend(String),
    /// Keeps codes and spends them, and names each, until it is killed.
    Keep,
}

impl Orders {
    #[expect(
        clippy::disallowed_methods,
        reason = "how a process of these tests tells another what to do"
    )]
    fn given() -> Option<Self> {
        let orders = std::env::var(ORDERS).ok()?;
        Some(serde_json::from_str(&orders).unwrap())
    }

    async fn carry_out(self) {
        let master_key = MasterKey::parse(&self.master_key).unwrap();
        let store = connect(&self.url, MasterKeys::new(master_key, Vec::new())).await;
        store.ping().await.unwrap();
        let mut start = signal(SignalKind::user_defined1()).unwrap();
        println!("ready");
        start.recv().await;
        match self.task {
            Task::Spend(code) => {
                let code = Bearer::parse(&code).unwrap();
                let row = store.find_code(&code, NOW).await.unwrap().unwrap().row;
                let mut attempts = JoinSet::new();
                for _ in 0..50 {
                    let store = store.clone();
                    attempts.spawn(async move { spend(&store, row).await });
                }
                let outcomes = attempts.join_all().await;
                let spent = outcomes.iter().filter(|it| **it == Spending::Spent);
                println!("spent: {}", spent.count());
            }
            Task::Keep => {
                for number in 1.. {
                    let code = fresh();
                    let expires_at = NOW.after(A_MINUTE);
                    store.put_code(&code, &grant(), expires_at).await.unwrap();
                    let row = store.find_code(&code, NOW).await.unwrap().unwrap().row;
                    assert_eq!(spend(&store, row).await, Spending::Spent);
                    println!("kept {number}: {}", code.expose());
                }
            }
        }
    }
}

fn start_worker(place: &Place, test: &str, task: Task) -> Process {
    let orders = Orders {
        url: place.url(),
        master_key: place.master_key.expose().to_string(),
        task,
    };
    // Not its path: it may have been built anew meanwhile.
    let this_binary = format!("/proc/{}/exe", std::process::id());
    Process::start("worker", this_binary, |command| {
        command
            .args([
                &format!("store::processes::{test}"),
                "--exact",
                "--nocapture",
            ])
            .env(ORDERS, serde_json::to_string(&orders).unwrap());
    })
}

async fn spend(store: &Store, row: sgid_bridge::secret::RowId) -> Spending {
    let (token, access) = (fresh(), access());
    let spending = store.spend_code(origin(&row), &token, &access);
    spending.await.unwrap()
}

const ORDERS: &str = "SGID_BRIDGE_TEST_ORDERS";
const PATIENCE: Duration = Duration::from_secs(30);
