//! Who works at the invented Northwind Robotics, and with what.

use super::calendar::{LEAVING_DAY, TRANSFER_DAY};
use modellane_event::Date;

/// What a person works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Copilot,
    Cursor,
    ClaudeCode,
    Gateway,
}

/// One person. Every person also talks to the internal assistant.
pub(crate) struct Person {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// The first address is the main one; Claude Code reports the last.
    pub(crate) emails: &'static [&'static str],
    /// GitHub login.
    pub(crate) login: &'static str,
    pub(crate) team: &'static str,
    /// Tools with weights; also the order in which seats are listed.
    pub(crate) tools: &'static [(Tool, u64)],
}

/// A team of the directory.
pub(crate) struct Team {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) owner: &'static str,
    pub(crate) cost_center: &'static str,
}

/// A repository.
pub(crate) struct Workspace {
    pub(crate) id: &'static str,
    pub(crate) team: &'static str,
    pub(crate) sensitivity: &'static str,
    pub(crate) language: &'static str,
    /// Prefix of its tickets.
    pub(crate) ticket: &'static str,
}

impl Person {
    /// Whether the person has the tool.
    pub(crate) fn has(&self, tool: Tool) -> bool {
        self.tools.iter().any(|(own, _)| *own == tool)
    }

    /// Team on a day: one person is transferred.
    pub(crate) fn team_on(&self, day: Date) -> &'static str {
        if self.id == TRANSFERRED && day >= TRANSFER_DAY { TRANSFERRED_TO } else { self.team }
    }

    /// Whether the person still works here.
    pub(crate) fn is_here(&self, day: Date) -> bool {
        self.id != LEAVER || day < LEAVING_DAY
    }

    /// Employee number, which the internal assistant reports.
    pub(crate) fn employee_number(&self) -> String {
        self.id.replace("p-", "nw-")
    }

    /// Account id at Anthropic.
    pub(crate) fn anthropic_id(&self) -> String {
        self.id.replace("p-", "user_01NWR")
    }

    /// Numeric id at GitHub.
    pub(crate) fn github_number(&self) -> i64 {
        self.id.trim_start_matches("p-").parse::<i64>().map_or(5_100, |n| 5_100 + n)
    }

    /// Internal user id at the gateway.
    pub(crate) fn gateway_user(&self) -> String {
        format!("u-{}", self.emails[0].split('@').next().unwrap_or(self.id))
    }
}

/// Changes from `fleet` to `perception`.
pub(crate) const TRANSFERRED: &str = "p-0012";
/// Where to.
pub(crate) const TRANSFERRED_TO: &str = "perception";
/// Leaves before the second half of the month.
pub(crate) const LEAVER: &str = "p-0020";
/// Owners of the shared gateway key, in two teams.
pub(crate) const SHARED_KEY_OWNERS: [&str; 3] = ["p-0009", "p-0011", "p-0022"];
/// Hash of the shared key, as the gateway stores it.
pub(crate) const SHARED_KEY: &str = "5c1de7a0b9f24c0e8d3b6a71f0c2949e7ab85d316e40f2c8917d0b3e6a5f4c21";
/// Alias of the shared key.
pub(crate) const SHARED_KEY_ALIAS: &str = "vision-shared";
/// Hash and alias of the key of continuous integration.
pub(crate) const CI_KEY: (&str, &str) =
    ("a27be0c4416f8d93e5b07c1f92ad3e68b4075dc19f3ea6820cb1d57f4e9380aa", "ci-bot");
/// Hash and alias of the key of the nightly evaluation.
pub(crate) const NIGHTLY_KEY: (&str, &str) =
    ("e90d41b7c85a2f63097fd2be5a18c0479d36e1fb520a8c74b3f6190ed7a2c85b", "nightly-eval");
/// A GitHub login that the directory does not list.
pub(crate) const UNKNOWN_LOGIN: &str = "contractor-xz9";

/// Teams under `engineering`.
pub(crate) const TEAMS: &[Team] = &[
    Team { id: "motion", name: "Motion Control", owner: "p-0001", cost_center: "CC-100" },
    Team { id: "perception", name: "Perception", owner: "p-0008", cost_center: "CC-200" },
    Team { id: "fleet", name: "Fleet Cloud", owner: "p-0014", cost_center: "CC-300" },
    Team { id: "tools", name: "Internal Tools", owner: "p-0021", cost_center: "CC-400" },
];

const fn workspace(
    id: &'static str,
    team: &'static str,
    sensitivity: &'static str,
    language: &'static str,
    ticket: &'static str,
) -> Workspace {
    Workspace { id, team, sensitivity, language, ticket }
}

/// Repositories that the directory lists.
pub(crate) const WORKSPACES: &[Workspace] = &[
    workspace("northwind-robotics/motion-core", "motion", "restricted", "rust", "MOT"),
    workspace("northwind-robotics/motion-sim", "motion", "internal", "cpp", "MOT"),
    workspace("northwind-robotics/perception-models", "perception", "restricted", "python", "PER"),
    workspace("northwind-robotics/label-studio", "perception", "internal", "typescript", "PER"),
    workspace("northwind-robotics/fleet-api", "fleet", "internal", "go", "FLT"),
    workspace("northwind-robotics/fleet-ui", "fleet", "internal", "typescript", "FLT"),
    workspace("northwind-robotics/tools-portal", "tools", "internal", "python", "TLS"),
    workspace("northwind-oss/robot-sdk", "tools", "public", "python", "SDK"),
    workspace("northwind-robotics/sandbox", "tools", "internal", "python", "TLS"),
];

/// A repository that the directory does not list.
pub(crate) const UNLISTED_WORKSPACE: &str = "northwind-robotics/hack-week";

const fn person(
    id: &'static str,
    name: &'static str,
    emails: &'static [&'static str],
    login: &'static str,
    team: &'static str,
    tools: &'static [(Tool, u64)],
) -> Person {
    Person { id, name, emails, login, team, tools }
}

use Tool::{ClaudeCode, Copilot, Cursor, Gateway};

/// Everybody.
#[rustfmt::skip]
pub(crate) const PEOPLE: &[Person] = &[
    person("p-0001", "Ingrid Sølheim", &["ingrid.solheim@northwind.example"], "isolheim-nw", "motion", &[(Copilot, 1)]),
    person("p-0002", "Jürgen Weiß", &["jürgen.weiß@northwind.example", "juergen.weiss@northwind.example"], "jweiss-dev", "motion", &[(Cursor, 1)]),
    person("p-0003", "Ana Ribeiro", &["ana.ribeiro@northwind.example"], "anaribeiro", "motion", &[(Cursor, 3), (Copilot, 2)]),
    person("p-0004", "Tomasz Żak", &["tomasz.zak@northwind.example"], "tzak", "motion", &[(ClaudeCode, 1)]),
    person("p-0005", "Mei-Ling Chen 陳美玲", &["meiling.chen@northwind.example"], "mlchen-robotics", "motion", &[(Cursor, 1)]),
    person("p-0006", "Omar Haddad", &["omar.haddad@northwind.example"], "ohaddad", "motion", &[(Copilot, 1)]),
    person("p-0007", "Priya Raman", &["priya.raman@northwind.example"], "priya-codes", "motion", &[(ClaudeCode, 2), (Copilot, 2)]),
    person("p-0008", "Zoë Lindqvist", &["zoe.lindqvist@northwind.example"], "zoë-lindqvist", "perception", &[(Cursor, 1)]),
    person("p-0009", "Diego Márquez", &["diego.marquez@northwind.example"], "dmarquez_nw", "perception", &[(Gateway, 2), (Copilot, 2)]),
    person("p-0010", "Aoife Ní Bhriain", &["aoife.nibhriain@northwind.example", "aoife@northwind-labs.example"], "aoife-nb", "perception", &[(ClaudeCode, 1)]),
    person("p-0011", "Kwame Mensah", &["kwame.mensah@northwind.example"], "kmensah", "perception", &[(Cursor, 3), (Gateway, 1)]),
    person("p-0012", "Yuki Tanaka 田中優希", &["yuki.tanaka@northwind.example"], "ytanaka-dev", "fleet", &[(Cursor, 3), (Copilot, 2)]),
    person("p-0013", "Lena Fischer", &["lena.fischer@northwind.example"], "lfischer", "perception", &[(Gateway, 1)]),
    person("p-0014", "Carlos Oliveira", &["carlos.oliveira@northwind.example"], "coliveira-nw", "fleet", &[(Cursor, 1)]),
    person("p-0015", "Hannah Cohen", &["hannah.cohen@northwind.example"], "hcohen", "fleet", &[(Copilot, 1)]),
    person("p-0016", "Ravi Iyer", &["ravi.iyer@northwind.example"], "raviiyer42", "fleet", &[(ClaudeCode, 2), (Copilot, 1)]),
    person("p-0017", "Noor van Dijk", &["noor.vandijk@northwind.example"], "noorvd", "fleet", &[(Cursor, 1)]),
    person("p-0018", "Sam O'Neill", &["sam.oneill@northwind.example"], "samo-dev", "fleet", &[(Copilot, 1)]),
    person("p-0019", "Elif Yılmaz", &["elif.yilmaz@northwind.example"], "elify", "fleet", &[(Cursor, 1)]),
    person("p-0020", "Marc Dubois", &["marc.dubois@northwind.example"], "mdubois", "fleet", &[(Copilot, 1), (Cursor, 1)]),
    person("p-0021", "Grace Kim", &["grace.kim@northwind.example"], "gracekim-nw", "tools", &[(Cursor, 1)]),
    person("p-0022", "Pavel Novák", &["pavel.novak@northwind.example"], "pnovak", "tools", &[(Gateway, 2), (Copilot, 1)]),
    person("p-0023", "Fatima Zahra El Idrissi", &["fatima.elidrissi@northwind.example"], "fz-elidrissi", "tools", &[(Copilot, 1)]),
    person("p-0024", "Björn Þórsson", &["bjorn.thorsson@northwind.example"], "bthorsson", "tools", &[(ClaudeCode, 1)]),
    person("p-0025", "Leilani Kahale", &["leilani.kahale@northwind.example"], "lkahale", "tools", &[(Cursor, 2), (Copilot, 1)]),
];

/// The workspaces on which a team works, most first.
pub(crate) fn workspaces_of(team: &str) -> impl Iterator<Item = &'static Workspace> {
    WORKSPACES.iter().filter(move |workspace| workspace.team == team)
}
