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
        about: "SIGKILL of each service, maintenance included, at random moments",
        brokers: 1,
        setup: processes::named,
        run: processes::kill_nine,
    },
    Plan {
        number: 2,
        name: "crash-points",
        about: "SIGKILL exactly before and after a file's put, a commit, an acknowledgement, an offset commit",
        brokers: 1,
        setup: processes::small_batches,
        run: processes::crash_points,
    },
    Plan {
        number: 3,
        name: "commit-unknown",
        about: "replies of commits are lost, cut or come for a request that was given up",
        brokers: 1,
        setup: as_usual,
        run: store::commit_unknown,
    },
    Plan {
        number: 4,
        name: "zombie",
        about: "sink and processor sleep while a standby and another processor take over, then wake",
        brokers: 1,
        setup: as_usual,
        run: processes::zombie,
    },
    Plan {
        number: 5,
        name: "split-brain",
        about: "two sinks write one table all the time",
        brokers: 1,
        setup: processes::insistent,
        run: processes::split_brain,
    },
    Plan {
        number: 6,
        name: "rebalance-storm",
        about: "processors join, leave and die while partitions move",
        brokers: 1,
        setup: as_usual,
        run: processes::rebalance_storm,
    },
    Plan {
        number: 7,
        name: "bad-network",
        about: "the broker dies and comes back; connections are slow, sliced, silent and broken",
        brokers: 1,
        setup: as_usual,
        run: log::bad_network,
    },
    Plan {
        number: 8,
        name: "read-again",
        about: "both topics are read again from their start, a lake is rebuilt, a second cluster holds the same",
        brokers: 1,
        setup: as_usual,
        run: log::read_again,
    },
    Plan {
        number: 9,
        name: "bad-store",
        about: "the store answers 500, 503 and 507, hangs, takes half a file, lists slowly, and dies",
        brokers: 1,
        setup: as_usual,
        run: store::bad_store,
    },
    Plan {
        number: 10,
        name: "poison",
        about: "unreadable messages on the topics of usage, judgements and intents, and unreadable records in requests",
        brokers: 1,
        setup: as_usual,
        run: records::poison,
    },
    Plan {
        number: 11,
        name: "schema-roll",
        about: "services take up a schema registry and give it up too early; it is away for a while",
        brokers: 1,
        setup: as_usual,
        run: schemas::schema_roll,
    },
    Plan {
        number: 12,
        name: "late-and-shuffled",
        about: "seven days in any order while teams and guidance change within them, intents after usage",
        brokers: 1,
        setup: as_usual,
        run: records::late_and_shuffled,
    },
    Plan {
        number: 13,
        name: "clock-jumps",
        about: "the clock of every service jumps to and fro by up to an hour",
        brokers: 1,
        setup: clocks::setup,
        run: clocks::clock_jumps,
    },
    Plan {
        number: 14,
        name: "overload",
        about: "five times as many senders as there is room for",
        brokers: 1,
        setup: as_usual,
        run: load::overload,
    },
    Plan {
        number: 15,
        name: "retry-storm",
        about: "half of all acknowledgements are lost on their way to the client",
        brokers: 1,
        setup: as_usual,
        run: load::retry_storm,
    },
    Plan {
        number: 16,
        name: "compaction",
        about: "maintenance and another engine merge and remove files while the sink commits and readers ask",
        brokers: 1,
        setup: upkeep::setup,
        run: upkeep::compaction,
    },
    Plan {
        number: 17,
        name: "idle-past-retention",
        about: "everything that was committed leaves the topics while nothing runs, then usage that nobody has judged",
        brokers: 1,
        setup: as_usual,
        run: state::idle_past_retention,
    },
    Plan {
        number: 18,
        name: "rolling-upgrade",
        about: "services are restarted in order, or replaced by another version and back, while records come",
        brokers: 1,
        setup: as_usual,
        run: state::rolling_upgrade,
    },
    Plan {
        number: 19,
        name: "bit-flips",
        about: "a bit flips in all that a service keeps on its own machine, which is the lake key",
        brokers: 1,
        setup: as_usual,
        run: state::bit_flips,
    },
    Plan {
        number: 21,
        name: "history",
        about: "what readers saw meanwhile is checked against the ledger's history",
        brokers: 1,
        setup: as_usual,
        run: readers::history,
    },
    Plan {
        number: 22,
        name: "soak",
        about: "a harm of the seed's choice in each round, for as long as there are records",
        brokers: 1,
        setup: as_usual,
        run: soak::soak,
    },
    Plan {
        number: 23,
        name: "broker-loss",
        about: "one broker of three after another dies while records come",
        brokers: 3,
        setup: as_usual,
        run: log::broker_loss,
    },
    Plan {
        number: 24,
        name: "vanished-rows",
        about: "reports lack rows that earlier ones had, while services die and replies of commits are lost",
        brokers: 1,
        setup: records::with_reports,
        run: records::vanished_rows,
    },
];

fn as_usual(setup: Setup) -> Setup {
    setup
}
