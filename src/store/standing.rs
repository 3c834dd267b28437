//! Letters that are sealed under the master key itself, while that key is being rotated.

use super::{Store, StoreError, change, on, secrets, signing_keys};
use crate::secret::{Opened, randomness};

/// A table with standing letters: its name, and the statements that read and replace them.
struct Standing {
    table: &'static str,
    read: &'static str,
    replace: &'static str,
}

const STANDING: [Standing; 2] = [
    Standing {
        table: signing_keys::TABLE,
        read: "select slot, sealed from signing_key order by slot",
        replace: "update signing_key set sealed = $2 where slot = $1",
    },
    Standing {
        table: secrets::TABLE,
        read: "select name, sealed from deployment_secret order by name",
        replace: "update deployment_secret set sealed = $2 where name = $1",
    },
];

impl Store {
    /// Seals anew what a former master key sealed; gives the number of letters. Meant for the start of an instance:
    /// during a rotation, two that seal under different keys would undo each other's work for ever.
    ///
    /// # Errors
    /// [`StoreError::DoesNotOpen`] where the master key is not the one that a letter was sealed under.
    pub async fn reseal_standing_letters(&self) -> Result<usize, StoreError> {
        let mut resealed = 0;
        for standing in &STANDING {
            for (row, opened) in self.open_all(standing).await? {
                if !opened.by_former_key {
                    continue;
                }
                let keys = &self.master_keys;
                let letter = &opened.letter;
                let anew = keys.seal_standing(standing.table, &row, letter, &mut randomness());
                change!(self, standing.replace, &row[..], &anew[..])?;
                resealed += 1;
            }
        }
        Ok(resealed)
    }

    /// How many letters only a former master key opens: it must stay in the list until there is none.
    ///
    /// # Errors
    /// As [`Store::reseal_standing_letters`].
    pub async fn count_letters_under_former_keys(&self) -> Result<usize, StoreError> {
        let mut count = 0;
        for standing in &STANDING {
            let letters = self.open_all(standing).await?;
            count += letters
                .iter()
                .filter(|(_, opened)| opened.by_former_key)
                .count();
        }
        Ok(count)
    }

    async fn open_all(&self, standing: &Standing) -> Result<Vec<(String, Opened)>, StoreError> {
        let rows: Vec<(String, Vec<u8>)> = on!(self, |pool| sqlx::query_as(standing.read)
            .fetch_all(pool)
            .await)?;
        rows.into_iter()
            .map(|(row, sealed)| {
                let opened = self
                    .master_keys
                    .open_standing(standing.table, &row, &sealed)?;
                Ok((row, opened))
            })
            .collect()
    }
}
