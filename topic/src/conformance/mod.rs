//! The suite that every backend passes: what the loop and the edge rely on, said as
//! checks over [`Topic`], [`Writer`] and [`Reader`].
//!
//! A backend's tests implement [`Fixture`] and call [`run`]. A check panics with a
//! sentence if the backend breaks its promise.

mod appending;
mod fixture;
mod grouping;
mod reading;
mod resting;

use futures::future::BoxFuture;

pub use self::fixture::{EVENT_TIMEOUT, Fixture, SILENCE, append, draft, drafts};

/// One check.
pub type Check = for<'a> fn(&'a mut dyn Fixture) -> BoxFuture<'a, ()>;

/// Every check by name.
#[must_use]
pub fn checks() -> Vec<(&'static str, Check)> {
    macro_rules! list {
        ($($theme:ident::$check:ident),* $(,)?) => {
            vec![$((stringify!($check), (|fixture| Box::pin($theme::$check(fixture))) as Check)),*]
        };
    }
    list![
        appending::what_is_placed_is_read_back,
        appending::a_key_keeps_its_order_and_its_partition,
        appending::keyless_drafts_are_taken_and_spread,
        appending::many_appenders_at_once_share_no_offset,
        appending::append_times_lie_within_the_clock,
        appending::an_empty_append_is_settled,
        appending::a_record_over_the_limit_is_too_large,
        appending::a_full_queue_says_so_quickly_and_recovers,
        appending::a_flush_waits_for_what_was_taken,
        reading::a_fetch_goes_to_the_end_and_not_beyond,
        reading::a_time_finds_the_first_offset_at_or_after_it,
        reading::an_assigned_partition_is_silent_until_it_is_sought,
        reading::after_a_seek_no_record_of_the_old_position_comes,
        reading::a_paused_partition_is_silent_and_keeps_its_position,
        reading::a_reader_meets_records_that_come_later,
        reading::a_dropped_call_loses_nothing,
        reading::a_position_beyond_the_end_is_out_of_range,
        grouping::two_members_share_the_partitions,
        grouping::a_member_that_dies_frees_its_partitions,
        grouping::a_revoke_waits_for_its_acknowledgement,
        grouping::two_groups_do_not_disturb_each_other,
        resting::a_restart_keeps_everything,
        resting::retention_moves_low_and_below_it_is_out_of_range,
    ]
}

/// Runs every check, each with a fixture of its own that `make` gives, one after the
/// other, and names those that failed; a panic's own text goes to standard error.
pub async fn run<F: Fixture + 'static>(make: impl Fn() -> F) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for (name, check) in checks() {
        let mut fixture = make();
        let checked = tokio::spawn(async move { check(&mut fixture).await }).await;
        if checked.is_err() {
            failed.push(name);
        }
    }
    failed
}
