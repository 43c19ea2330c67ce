use crate::{Lake, LakeConfig, LakeError};
use bytes::Bytes;

#[tokio::test]
async fn an_object_is_named_by_its_content() {
    let root = tempfile::tempdir().unwrap();
    let lake = Lake::open(&LakeConfig::directory(&root.path().join("lake"))).unwrap();
    let content = Bytes::from_static(b"people: []");
    let hash = lake.put_context(content.clone()).await.unwrap();
    assert_eq!(hash, blake3::hash(b"people: []").to_hex().to_string());
    assert_eq!(lake.put_context(content.clone()).await.unwrap(), hash);
    assert_eq!(lake.get_context(&hash).await.unwrap(), content);
    assert_eq!(std::fs::read(root.path().join("lake/context").join(&hash)).unwrap(), content);
}

#[tokio::test]
async fn what_is_missing_changed_or_no_name_is_said_plainly() {
    let root = tempfile::tempdir().unwrap();
    let lake = Lake::open(&LakeConfig::directory(root.path())).unwrap();
    for name in ["../secret", "ABC", &"0".repeat(64)] {
        assert!(matches!(lake.get_context(name).await, Err(LakeError::Missing { .. })), "{name}");
    }
    let hash = lake.put_context(Bytes::from_static(b"a")).await.unwrap();
    std::fs::write(root.path().join("context").join(&hash), b"b").unwrap();
    assert!(matches!(lake.get_context(&hash).await, Err(LakeError::Damaged { .. })));
}
