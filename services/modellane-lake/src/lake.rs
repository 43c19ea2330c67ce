//! Opening the lake.

use crate::{LakeConfig, LakeError, Table, TableSpec};
use deltalake_core::logstore::{
    LogStore, LogStoreFactory, LogStoreRef, StorageConfig, default_logstore, logstore_factories,
    logstore_with,
};
use deltalake_core::{DeltaResult, DeltaTable};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, parse_url_opts};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::sync::Arc;
use url::Url;

/// An open lake. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lake {
    root: Url,
    /// Rooted at the storage system, as the table format wants it.
    system: Arc<dyn ObjectStore>,
    /// Rooted at the lake.
    objects: Arc<PrefixStore<Arc<dyn ObjectStore>>>,
    options: HashMap<String, String>,
}

impl Lake {
    /// Opens the lake; nothing is read or written yet, but a missing directory is created. What the
    /// environment says in the names of the stores' own tools, such as `AWS_ACCESS_KEY_ID`, counts where the
    /// configuration says nothing.
    pub fn open(config: &LakeConfig) -> Result<Self, LakeError> {
        let root = config.root()?;
        let environment = store_options(std::env::vars_os());
        // Of two options that mean the same the last one counts.
        let options = environment.iter().chain(&config.options);
        let (system, prefix) = parse_url_opts(&root, options)
            .map_err(|error| LakeError::Config(format!("the url or an option cannot be used: {error}")))?;
        Ok(Self::on(Arc::from(system), root, prefix, config))
    }

    pub(crate) fn on(system: Arc<dyn ObjectStore>, root: Url, prefix: Path, config: &LakeConfig) -> Self {
        Self {
            objects: Arc::new(PrefixStore::new(Arc::clone(&system), prefix)),
            root,
            system,
            options: config.options.clone().into_iter().collect(),
        }
    }

    /// Where a table is.
    pub fn table_url(&self, name: &str) -> Result<Url, LakeError> {
        self.root
            .join(&format!("{name}/"))
            .map_err(|_| LakeError::config("a table's name cannot be written as a URL"))
    }

    /// Opens a table at its newest version for writing. It is created first if it is missing, and gets the
    /// columns that an earlier version of the product did not have.
    pub async fn table(&self, spec: TableSpec) -> Result<Table, LakeError> {
        let mut table = DeltaTable::new(self.log_store(&spec.name)?);
        let exists = table.verify_deltatable_existence().await;
        if !exists.map_err(|error| LakeError::delta("open a table", error))? {
            Table::create(&table, &spec).await?;
        }
        table.load().await.map_err(|error| LakeError::delta("open a table", error))?;
        let mut table = Table::new(table, spec)?;
        table.widen().await?;
        Ok(table)
    }

    /// Opens a table at its newest version; null if it is missing.
    pub async fn existing_table(&self, spec: TableSpec) -> Result<Option<Table>, LakeError> {
        let mut table = DeltaTable::new(self.log_store(&spec.name)?);
        let exists = table.verify_deltatable_existence().await;
        if !exists.map_err(|error| LakeError::delta("open a table", error))? {
            return Ok(None);
        }
        table.load().await.map_err(|error| LakeError::delta("open a table", error))?;
        Table::new(table, spec).map(Some)
    }

    pub(crate) fn root(&self) -> &Url {
        &self.root
    }

    /// The store, rooted at the lake, for readers and writers that outlive this borrow.
    pub(crate) fn shared_objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects) as Arc<dyn ObjectStore>
    }

    /// The store, rooted at the lake.
    pub(crate) fn objects(&self) -> &dyn ObjectStore {
        self.objects.as_ref()
    }

    /// The log of a table, whether the table exists or not; for readers that never create one.
    pub fn log_store(&self, name: &str) -> Result<LogStoreRef, LakeError> {
        let url = self.table_url(name)?;
        register(&url);
        let config = StorageConfig::parse_options(self.options.clone())
            .map_err(|error| LakeError::delta("open a table", error))?;
        logstore_with(Arc::clone(&self.system), &url, config)
            .map_err(|error| LakeError::delta("open a table", error))
    }

    /// The path of an object below the lake's root.
    pub(crate) fn path(parts: &[&str]) -> Path {
        Path::from_iter(parts.iter().copied())
    }
}

/// The options of stores among variables of the environment. How a commit is made is no business of whoever
/// set them: a conditional write that is switched off there would go unnoticed.
fn store_options(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|store| name.starts_with(store)))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| !name.contains("conditional_put"))
        .collect()
}

/// The table format knows local disk and memory by itself; the other stores of `object_store` create an
/// object only if it is absent as well, so they take the same log.
fn register(url: &Url) {
    let Ok(scheme) = Url::parse(&format!("{}://", url.scheme())) else { return };
    logstore_factories().entry(scheme).or_insert_with(|| Arc::new(ConditionalPutLog));
}

#[derive(Debug)]
struct ConditionalPutLog;

impl LogStoreFactory for ConditionalPutLog {
    fn with_options(
        &self,
        prefixed_store: Arc<dyn ObjectStore>,
        root_store: Arc<dyn ObjectStore>,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed_store, root_store, location, options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_from_the_environment_and_the_way_to_commit_does_not() {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "key"),
            ("GOOGLE_SERVICE_ACCOUNT", "account.json"),
            ("AWS_CONDITIONAL_PUT", "disabled"),
            ("HOME", "/root"),
        ];
        let options = store_options(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        let expected = [("aws_access_key_id", "key"), ("google_service_account", "account.json")];
        assert_eq!(options, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
