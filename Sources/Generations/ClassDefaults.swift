import Formats
import Storage

/// What holds for settings that config.json leaves out; read from `formats/class-defaults.json`.
struct ClassDefaults {
    /// Objects that mirror those of config.json. The decoder's settings stand in `text_config`, and once more outside it,
    /// where the first releases wrote them.
    let config: JSON
    /// Paths whose defaults no weight proves, for both places.
    let unproven: Set<String>

    /// Those for a configuration of a known `model_type`.
    init(of config: JSON) throws(Failure) {
        let file = try JSON(parsing: Formats.classDefaults)
        let modelType = config["model_type"]?.string ?? ""
        guard let json = file["model_types"]?[modelType], let members = json["config"]?.members else {
            throw .badInput("there are no defaults of \(modelType)")
        }
        self.config = .object(members + (json["config"]?["text_config"]?.members ?? []))
        let paths = json["unproven"]?.strings ?? []
        unproven = Set(paths + paths.map { "text_config." + $0 })
    }
}
