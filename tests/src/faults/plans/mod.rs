//! The plans, by what they harm.

mod clocks;
mod load;
mod log;
mod processes;
mod readers;
mod records;
mod schemas;
mod soak;
mod state;
mod store;
mod upkeep;

use super::arena::Setup;
use super::plan::Plan;

/// All of them, by number.
pub(super) const ALL: &[Plan] = &[
    Plan {
        number: 1,
        name: "kill-nine",
        about: "SIGKILL of each service at random moments",
        setup: processes::named,
        run: processes::kill_nine,
    },
    Plan {
        number: 2,
        name: "crash-points",
        about: "SIGKILL exactly before and after a file's put, a commit, an acknowledgement, an offset commit",
        setup: as_usual,
        run: processes::crash_points,
    },
    Plan {
        number: 3,
        name: "commit-unknown",
        about: "replies of commits are lost, cut or come for a request that was given up",
        setup: as_usual,
        run: store::commit_unknown,
    },
    Plan {
        number: 4,
        name: "zombie",
        about: "sink and processor sleep past their session while others take over, then go on",
        setup: as_usual,
        run: processes::zombie,
    },
    Plan {
        number: 5,
        name: "split-brain",
        about: "two sinks write one table all the time",
        setup: as_usual,
        run: processes::split_brain,
    },
    Plan {
        number: 6,
        name: "rebalance-storm",
        about: "processors join, leave and die while partitions move",
        setup: as_usual,
        run: processes::rebalance_storm,
    },
    Plan {
        number: 7,
        name: "bad-network",
        about: "the broker dies and comes back; connections are slow, sliced, silent and broken",
        setup: as_usual,
        run: log::bad_network,
    },
    Plan {
        number: 8,
        name: "read-again",
        about: "both topics are read again from their start, a lake is rebuilt, a second cluster holds the same",
        setup: as_usual,
        run: log::read_again,
    },
    Plan {
        number: 9,
        name: "bad-store",
        about: "the store answers 500, 503 and 507, hangs, takes half a file, lists slowly, and dies",
        setup: as_usual,
        run: store::bad_store,
    },
    Plan {
        number: 10,
        name: "poison",
        about: "unreadable messages on every topic and unreadable records in requests",
        setup: as_usual,
        run: records::poison,
    },
    Plan {
        number: 11,
        name: "schema-roll",
        about: "services take up a schema registry and give it up too early; it is away for a while",
        setup: as_usual,
        run: schemas::schema_roll,
    },
    Plan {
        number: 12,
        name: "late-and-shuffled",
        about: "seven days in any order through two collectors and two processors, intents after usage",
        setup: as_usual,
        run: records::late_and_shuffled,
    },
    Plan {
        number: 13,
        name: "clock-jumps",
        about: "the clock of every service jumps to and fro by up to an hour",
        setup: clocks::setup,
        run: clocks::clock_jumps,
    },
    Plan {
        number: 14,
        name: "overload",
        about: "five times as many senders as there is room for",
        setup: as_usual,
        run: load::overload,
    },
    Plan {
        number: 15,
        name: "retry-storm",
        about: "half of all acknowledgements are lost on their way to the client",
        setup: as_usual,
        run: load::retry_storm,
    },
    Plan {
        number: 16,
        name: "compaction",
        about: "maintenance and another engine merge and remove files while the sink commits and readers ask",
        setup: upkeep::setup,
        run: upkeep::compaction,
    },
    Plan {
        number: 17,
        name: "idle-past-retention",
        about: "everything that was committed leaves the topics while nothing runs",
        setup: as_usual,
        run: state::idle_past_retention,
    },
    Plan {
        number: 18,
        name: "rolling-upgrade",
        about: "services are replaced by another version and back while records come",
        setup: as_usual,
        run: state::rolling_upgrade,
    },
    Plan {
        number: 19,
        name: "bit-flips",
        about: "a bit flips in every file that a service keeps on its own machine",
        setup: as_usual,
        run: state::bit_flips,
    },
    Plan {
        number: 21,
        name: "history",
        about: "what readers saw meanwhile is checked against the ledger's history",
        setup: as_usual,
        run: readers::history,
    },
    Plan {
        number: 22,
        name: "soak",
        about: "a harm of the seed's choice in each round, for as long as there are records",
        setup: as_usual,
        run: soak::soak,
    },
];

fn as_usual(setup: Setup) -> Setup {
    setup
}
