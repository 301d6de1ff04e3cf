//! SeaweedFS: master, volume, filer and S3 in one process.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::launch::{KEYS, Launch, program};
use crate::ports::free_ports;

/// How far a server's gRPC port is above its own port, by its convention.
const GRPC_OFFSET: u16 = 10_000;

/// One small process, since the tests write only some megabytes.
pub(super) fn launch(folder: &Path) -> Result<Launch> {
    let ports = free_ports(4, GRPC_OFFSET)?;
    let ports = [ports[0], ports[1], ports[2], ports[3]];
    // It makes these sockets, and can be given no other place for them.
    let named = ["master", "volume", "filer", "s3"].into_iter().zip(ports);
    let litter = named
        .map(|(name, port)| format!("/tmp/seaweedfs-{name}-grpc-{}.sock", port + GRPC_OFFSET))
        .collect();
    Ok(Launch {
        command: command(&program("seaweedfs/weed")?, folder, ports)?,
        port: ports[3],
        ready: "/healthz",
        litter,
    })
}

fn command(weed: &Path, folder: &Path, [master, volume, filer, s3]: [u16; 4]) -> Result<Command> {
    let data = folder.join("data");
    std::fs::create_dir(&data)?;
    let identities = serde_json::json!({ "identities": [{
        "name": KEYS.0,
        "credentials": [{ "accessKey": KEYS.0, "secretKey": KEYS.1 }],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }] });
    std::fs::write(folder.join("s3.json"), identities.to_string())?;
    let mut command = Command::new(weed);
    command
        .current_dir(folder)
        .args([
            "server",
            "-s3",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-dir=data",
        ])
        .args([
            "-s3.config=s3.json",
            "-filer.localSocket=filer.sock",
            "-s3.localSocket=s3.sock",
        ])
        .args([
            format!("-master.port={master}"),
            format!("-volume.port={volume}"),
        ])
        .args([format!("-filer.port={filer}"), format!("-s3.port={s3}")])
        // It makes a few volumes for each bucket, and they grow only as they fill.
        .args([
            "-volume.max=100",
            "-master.volumeSizeLimitMB=64",
            "-volume.minFreeSpace=1",
        ])
        // A write to a bucket that does not exist is refused.
        .args(["-s3.autoCreateBucket=false"])
        // Services that no test uses, which would open ports of their own.
        .args([
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
        ]);
    Ok(command)
}
