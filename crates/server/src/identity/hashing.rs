//! Hashing of tokens: expensive for the store, cheap for what was verified before, plain for random secrets.

use std::collections::HashMap;
use std::sync::Mutex;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::store::lock;
use super::throttle::Subject;
use super::{IdentityError, SessionId};

/// Argon2id takes 19 MiB and tens of milliseconds: more at a time would starve the rest of the server.
const HASHES_AT_A_TIME: usize = 2;
/// Tokens remembered as verified. Beyond that, all are forgotten and hashed again.
const VERIFIED_MAX: usize = 100_000;
/// What no token of anybody has, at the same cost as those that are stored.
pub const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cm9sbGNhbGwtbm9ib2R5IQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Nothing that was made here is longer, in bytes; what is longer is wrong without a look.
const TOKEN_BYTES_MAX: usize = 256;

/// A fast hash of a token: enough in memory, because tokens are random and the salt is gone with the process.
pub type QuickHash = [u8; 32];

struct Verified {
    stored_hash: String,
    token: QuickHash,
}

pub struct Hasher {
    verified: Mutex<HashMap<Subject, Verified>>,
    quick_salt: [u8; 16],
    turns: Semaphore,
}

impl Hasher {
    pub fn new() -> Self {
        Self {
            verified: Mutex::default(),
            quick_salt: rand::random(),
            turns: Semaphore::new(HASHES_AT_A_TIME),
        }
    }

    /// Waits until an expensive hash may be computed.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// Whether this token was verified against this stored hash before.
    pub fn remembers(&self, subject: &Subject, stored_hash: &str, token: &[u8]) -> bool {
        let remembered = lock(&self.verified)
            .get(subject)
            .filter(|verified| verified.stored_hash == stored_hash)
            .map(|verified| verified.token);
        remembered.is_some_and(|expected| self.is_quick_hash(token, &expected))
    }

    /// Takes tens of milliseconds. A right token is remembered.
    pub fn verify(&self, subject: &Subject, stored_hash: String, token: &[u8]) -> bool {
        let is_right = token.len() <= TOKEN_BYTES_MAX
            && PasswordHash::new(&stored_hash)
                .is_ok_and(|hash| Argon2::default().verify_password(token, &hash).is_ok());
        if is_right && let Ok(token) = self.quick_hash(token) {
            let mut verified = lock(&self.verified);
            if verified.len() >= VERIFIED_MAX {
                verified.clear();
            }
            verified.insert(subject.clone(), Verified { stored_hash, token });
        }
        is_right
    }

    /// Argon2id with the least cost, keyed by this process.
    pub fn quick_hash(&self, token: &[u8]) -> Result<QuickHash, IdentityError> {
        let error = |error: argon2::Error| IdentityError::Hash(error.to_string());
        let params = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, 1, None).map_err(error)?;
        let mut hash = QuickHash::default();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(token, &self.quick_salt, &mut hash)
            .map_err(error)?;
        Ok(hash)
    }

    pub fn is_quick_hash(&self, token: &[u8], expected: &QuickHash) -> bool {
        token.len() <= TOKEN_BYTES_MAX
            && self.quick_hash(token).is_ok_and(|hash| bool::from(hash.ct_eq(expected)))
    }
}

/// A new token of 144 random bits, and what the store keeps of it.
pub fn new_token() -> Result<(String, String), IdentityError> {
    let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>());
    let hash = Argon2::default()
        .hash_password(token.as_bytes())
        .map_err(|error| IdentityError::Hash(error.to_string()))?
        .to_string();
    Ok((token, hash))
}

/// A new secret of 256 random bits, and what the store keeps of it.
pub fn new_secret() -> (String, SessionId) {
    let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let hash = secret_hash(&secret);
    (secret, hash)
}

/// Nobody can guess 256 random bits, so a fast hash without salt does. Looking it up by its value tells nothing
/// of use either: whoever could measure the time would learn about the hash, not about the secret.
pub fn secret_hash(secret: &str) -> SessionId {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifying_for_nobody_costs_what_verifying_for_somebody_does() {
        let cost = |hash: &str| {
            let hash = PasswordHash::new(hash).unwrap();
            let (salt, output) = (hash.salt.unwrap().len(), hash.hash.unwrap().len());
            (hash.algorithm.to_string(), hash.version, hash.params.to_string(), salt, output)
        };
        assert_eq!(cost(NOBODYS_HASH), cost(&new_token().unwrap().1));
        assert!(!Hasher::new().verify(&Subject::AnyKey, NOBODYS_HASH.to_owned(), b"guessed"));
    }
}
