//! The gauges of a scrape: what the catalog and the topic say of each other.

use catalog::Freshness;

use crate::http::problem::Problem;
use crate::metrics::GaugeFamily;
use crate::metrics::GaugeValue::{self, Count, Measure};
use crate::site::Site;

impl Site {
    /// Asks the catalog and the topic for the gauges of a scrape. What does not answer leaves no
    /// gauges, and `catalog_answers` is 0 if it is the catalog.
    pub async fn refresh_metrics(&self) {
        let known = self.gauges().await;
        let answers = Count(known.is_ok().into());
        let mut gauges = known.unwrap_or_default();
        gauges.push(GaugeFamily {
            name: "catalog_answers",
            help: "1 if the catalog answers",
            values: vec![(None, answers)],
        });
        self.metrics.set_gauges(gauges);
    }

    async fn gauges(&self) -> Result<Vec<GaugeFamily>, Problem> {
        let (balance, freshness) = self.balance().await?;
        let memory = self.catalog.memory_bytes().await?;
        let now = self.clock.now();
        let each = |of: &dyn Fn(&Freshness) -> Option<GaugeValue>| {
            let values = freshness.iter();
            let values = values.filter_map(|one| Some((Some(one.partition.0), of(one)?)));
            values.collect::<Vec<_>>()
        };
        let lag: Vec<(u32, u64)> = balance.pending().collect();
        // A quiet shop is not a stuck one: a partition for which nothing is known to wait is fresh.
        let waits = |partition: u32| lag.iter().any(|&(of, count)| of == partition && count > 0);
        let mut gauges = vec![
            GaugeFamily {
                name: "freshness_seconds",
                help: "While records wait, the age of the newest record that the catalog shows; else 0",
                values: each(&|one| {
                    let age = now.since(one.appended_at?).as_secs_f64();
                    Some(Measure(if waits(one.partition.0) { age } else { 0.0 }))
                }),
            },
            GaugeFamily {
                name: "registered_end",
                help: "The offset at which the catalog's registered range ends",
                values: each(&|one| Some(Count(one.registered_end.0))),
            },
            GaugeFamily {
                name: "objects",
                help: "Objects registered",
                values: each(&|one| Some(Count(one.objects))),
            },
            GaugeFamily {
                name: "object_bytes",
                help: "Bytes of the objects registered",
                values: each(&|one| Some(Count(one.bytes))),
            },
            GaugeFamily {
                name: "lag_records",
                help: "Records in the topic that the catalog does not show yet",
                values: lag.iter().map(|&(n, lag)| (Some(n), Count(lag))).collect(),
            },
            GaugeFamily {
                name: "database_memory_bytes",
                help: "Memory of the databases, which catalog.memory and catalog.query_memory limit",
                values: vec![(None, Count(memory))],
            },
            GaugeFamily {
                name: "accounting_adds_up",
                help: "1 if every acknowledged record is accounted for",
                values: vec![(None, Count(balance.adds_up().into()))],
            },
        ];
        if let Some(age) = self.crawled().await? {
            gauges.push(GaugeFamily {
                name: "crawl_age_seconds",
                help: "Time since the newest crawl ended",
                values: vec![(None, Measure(age.as_secs_f64()))],
            });
        }
        Ok(gauges)
    }
}
