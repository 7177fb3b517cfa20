import Foundation

/// Where the state of a region lies unless `--data` says otherwise: `KAPOK_DATA`, else `~/.kapok`.
func defaultDataDirectory() -> String {
    let environment = ProcessInfo.processInfo.environment
    if let named = environment["KAPOK_DATA"], !named.isEmpty { return named }
    return (environment["HOME"] ?? FileManager.default.currentDirectoryPath) + "/.kapok"
}

/// The directory as an absolute path, without a slash at its end.
func absolutePath(_ path: String) -> String {
    let expanded = (path as NSString).expandingTildeInPath
    let absolute =
        expanded.hasPrefix("/")
        ? expanded : FileManager.default.currentDirectoryPath + "/" + expanded
    return (absolute as NSString).standardizingPath
}
