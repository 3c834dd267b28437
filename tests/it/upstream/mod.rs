//! sgID late, wrong, lying and hostile, and what becomes of the people who sign in then.
//! Security requirements section 3, 4 and UP-11; the simulated sgID plays every part.

mod breaker;
mod judge;
mod keys;
mod misbehaviour;
mod personas;
mod two_upstreams;
