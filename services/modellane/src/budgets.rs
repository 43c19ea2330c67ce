//! Publishes each day what the budgets had been spent before it, for rules that ask for `budget_state`.

use crate::context::{ContextIntake, Due};
use crate::print::Rows;
use anyhow::{Result, anyhow};
use modellane_event::{Amount, Currency, Date, Label};
use modellane_judge::{DayCost, SpendingObject};
use modellane_lake::LakeConfig;
use modellane_query::{Query, QueryConfig};
use modellane_runtime::{Clock, Shutdown};
use std::sync::Arc;
use std::time::Duration;

/// Between looks at the date and at the finance file that holds.
const LOOK: Duration = Duration::from_secs(60);

/// What publishing needs. It runs beside the collector, through which all other context comes.
pub(crate) struct Budgets {
    pub(crate) context: Arc<ContextIntake>,
    pub(crate) query: QueryConfig,
    pub(crate) lake: LakeConfig,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Budgets {
    /// Publishes when a day begins, and when other budgets are declared, until asked to stop. A failure is
    /// said and tried again: until then the fact is missing, which a verdict names.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let publishing = async {
            loop {
                if let Err(error) = self.publish(self.clock.now().date()).await {
                    tracing::warn!(
                        error = %format_args!("{error:#}"),
                        "what the budgets had been spent was not published"
                    );
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = shutdown.triggered() => {}
            () = publishing => {}
        }
    }

    async fn publish(&self, day: Date) -> Result<()> {
        let Some(Due { finance, hash, teams }) = self.context.spending_due(day).await? else { return Ok(()) };
        let query = Query::open(self.query.clone(), &self.lake).await?;
        let costs = costs_before(&query, day).await?;
        let spending = SpendingObject::before(day, &finance, hash, &teams, &costs);
        let budgets = spending.budgets.len();
        self.context.publish_spending(spending).await?;
        tracing::info!(%day, budgets, "published what the budgets had been spent");
        Ok(())
    }
}

/// Known costs by day. A use that outlasts its day, such as a month's bill, counts once it is over.
async fn costs_before(query: &Query, day: Date) -> Result<Vec<DayCost>> {
    let sql = format!(
        "SELECT event_date, team, cost_center, currency, CAST(SUM(effective_cost) AS DECIMAL(38, 9)) \
         FROM usage WHERE cost_sign = 1 AND effective_cost IS NOT NULL AND event_date < DATE '{day}' \
         AND period_end <= TIMESTAMPTZ '{day}T00:00:00Z' GROUP BY 1, 2, 3, 4"
    );
    let batches = query.sql(&sql).await?;
    let Some(first) = batches.first() else { return Ok(Vec::new()) };
    let rows = Rows::of(&first.schema(), &batches)?.rows;
    rows.iter()
        .map(|row| cost(row).ok_or_else(|| anyhow!("the ledger has other costs than asked for")))
        .collect()
}

fn cost(row: &[Option<String>]) -> Option<DayCost> {
    let [Some(day), team, cost_center, Some(currency), Some(amount)] = row else { return None };
    let label = |text: &Option<String>| text.as_deref().map(Label::new).transpose();
    Some(DayCost {
        day: Date::parse(day).ok()?,
        team: label(team).ok()?,
        cost_center: label(cost_center).ok()?,
        currency: Currency::new(currency).ok()?,
        amount: Amount::parse(amount).ok()?,
    })
}
