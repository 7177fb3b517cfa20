/// The pre-tokenizers by the names that GGUF files have for them (llama.cpp's `llama-vocab.cpp`
/// lists them), with the patterns of the models' own `tokenizer.json`.
enum PreTokenizerCatalogue {
    /// How text is cut.
    enum Rules {
        case words(WordSplitter)
        case patterns([String])
        case groupedDigits(DigitGroups, then: [String])
    }

    /// A pre-tokenizer with its names.
    struct Entry {
        var names: [String]
        var rules: Rules
        var takesWholeWords = false
        var addsBeginningOfText = false
        var cutsBeforeSpaces = true
    }

    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    static let gpt2 =
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
    private static let spaces = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
    private static let upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
    private static let lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"

    /// Llama 3's pattern with its parts to change.
    static func llama3(
        digits: String = "\\p{N}{1,3}", letters: String = "\\p{L}", contractions: String? = nil,
        others: String = "[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
    ) -> String {
        "\(contractions ?? "(?i:'s|'t|'re|'ve|'m|'ll|'d)")|[^\\r\\n\\p{L}\\p{N}]?\(letters)+|"
            + "\(digits)| ?\(others)|\(spaces)"
    }

    /// The pattern of o200k: words end where lower case turns to upper case.
    private static func cased(
        upper: String, lower: String, digits: String, suffix: String, others: String = "[\\r\\n/]*"
    ) -> String {
        let first = "[^\\r\\n\\p{L}\\p{N}]?"
        return "\(first)\(upper)*\(lower)+\(suffix)|\(first)\(upper)+\(lower)*\(suffix)|"
            + "\(digits)| ?[^\\s\\p{L}\\p{N}]+\(others)|\(spaces)"
    }

    /// DeepSeek V3's last pattern: signs before ASCII words stay with them.
    private static let deepSeek3 =
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
        + "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\(spaces)"
    private static let han = "[一-龥\u{0800}-一가-\u{D7FF}]+"
    private static let kana = "[一-龥\u{3040}-ゟ゠-ヿ]+"
    private static let finnish = " ?[^(\\s|.,!?…。，、।۔،)]+"

    static let entries: [Entry] = handMade + patterned + grouped

    private static let handMade: [Entry] = [
        Entry(
            names: [
                "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b",
                "mellum2",
            ],
            rules: .words(WordSplitter(.gpt2, digitsFirst: true))),
        Entry(
            names: [
                "gpt-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "phi-2", "jina-es",
                "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0", "mellum",
                "modern-bert", "exaone4", "jina-v1-en", "jina-v2-code", "roberta-bpe",
            ],
            rules: .words(WordSplitter(.gpt2))),
        Entry(
            names: [
                "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0",
                "lfm2", "jina-v5-nano",
            ],
            rules: .words(WordSplitter(.llama3, digits: 3)), takesWholeWords: true,
            addsBeginningOfText: true),
        Entry(
            names: ["dbrx", "smaug-bpe", "chatglm-bpe"],
            rules: .words(WordSplitter(.llama3, digits: 3))),
        Entry(
            names: ["glm4", "glm5"], rules: .words(WordSplitter(.llama3, digits: 3)),
            takesWholeWords: true),
        Entry(
            names: [
                "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan",
                "solar-open", "grok-2",
            ],
            rules: .words(WordSplitter(.llama3, digits: 1))),
        Entry(
            names: ["qwen35"],
            rules: .words(WordSplitter(.llama3, digits: 1, marksAreLetters: true))),
        Entry(
            names: ["seed-coder"],
            rules: .words(WordSplitter(.llama3, digits: 1, signsTakeLineEnds: false))),
        Entry(
            names: ["ufakzeka"],
            rules: .words(WordSplitter(.llama3, digits: 1, hasContractions: false))),
    ]

    private static let patterned: [Entry] = [
        Entry(
            names: ["default"],
            rules: .patterns(["[\\p{P}\\$\\+<=>\\^~\\|]+", gpt2, "\\p{N}+", "[0-9][0-9][0-9]"])),
        Entry(
            names: ["falcon"],
            rules: .patterns(["[\\p{P}\\$\\+<=>\\^~\\|`]+", gpt2, "[0-9][0-9][0-9]"])),
        Entry(
            names: ["deepseek-llm"],
            rules: .patterns([
                "[\\r\\n]", "\\s?[\(cased)]+", "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "\\s+$", han,
                "\\p{N}+",
            ])),
        Entry(
            names: ["deepseek-coder"],
            rules: .patterns(["[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", han, "\\p{N}"])),
        Entry(
            names: ["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
            rules: .patterns(["\\p{N}{1,3}", kana, deepSeek3])),
        Entry(
            names: ["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
            rules: .patterns([
                cased(upper: upper, lower: lower, digits: "\\p{N}{1,3}", suffix: contractions + "?")
            ])),
        Entry(
            names: ["granite-embed-multi-97m"],
            rules: .patterns([
                cased(upper: upper, lower: lower, digits: "\\p{N}{1,3}", suffix: contractions + "?")
            ]),
            takesWholeWords: true),
        Entry(
            names: ["tekken"],
            rules: .patterns([cased(upper: upper, lower: lower, digits: "\\p{N}", suffix: "")]),
            takesWholeWords: true, addsBeginningOfText: true),
        Entry(
            names: ["youtu"],
            rules: .patterns([
                "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥\u{3040}-ゟ゠-ヿ]+",
                cased(upper: upper, lower: lower, digits: "\\p{N}", suffix: contractions + "?"),
            ]),
            takesWholeWords: true),
        Entry(
            names: ["kimi-k2"],
            rules: .patterns([
                "\\p{Han}+|"
                    + cased(
                        upper: "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]",
                        lower: "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]",
                        digits: "\\p{N}{1,3}", suffix: contractions + "?", others: "[\\r\\n]*")
            ])),
        Entry(
            names: ["bailingmoe", "bailingmoe2", "llada-moe"],
            rules: .patterns([
                "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}|"
                    + " ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
            ])),
        Entry(
            names: ["minicpm5"],
            rules: .patterns(["\\p{N}{1,3}", llama3(digits: "\\p{N}+")]), takesWholeWords: true),
        Entry(
            names: ["laguna"],
            rules: .patterns(["[^\\n]+|[\\n]+", llama3(digits: "\\p{N}")])),
        Entry(
            names: ["exaone-moe"],
            rules: .patterns([
                "\(contractions)|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|"
                    + "\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
            ]),
            cutsBeforeSpaces: false),
        Entry(names: ["poro-chat", "bloom", "gpt3-finnish"], rules: .patterns([finnish])),
        Entry(names: ["viking"], rules: .patterns([finnish, "\\p{N}"])),
        Entry(
            names: ["chameleon"],
            rules: .patterns([
                "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
                "([\\t\\n]|    |  )", "\\p{N}", "[\\p{P}!-/:-@\\[-`{-~]", gpt2,
            ]),
            addsBeginningOfText: true),
        Entry(
            names: ["jais-2"],
            rules: .patterns([
                "\(contractions)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
                    + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
                    + "\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|"
                    + "\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|"
                    + "\\s{1,2}(?!\\S)|\\s{1}"
            ])),
    ]

    private static let grouped: [Entry] = [
        Entry(
            names: ["tiny_aya", "cohere2moe"],
            rules: .groupedDigits(
                DigitGroups(onlyBeforeBoundary: true),
                then: [
                    cased(
                        upper: upper, lower: lower, digits: "\\p{N}{1,3}",
                        suffix: contractions + "?")
                ])),
        Entry(
            names: ["afmoe"],
            rules: .groupedDigits(
                DigitGroups(onlyBeforeBoundary: false),
                then: [
                    "[一-鿿㐀-䶿\u{F900}-\u{FAFF}\u{3040}-ゟ゠-ヿ･-ﾟ⼀-⿟เ-\u{0E7F}\u{0E80}-\u{0EFF}"
                        + "ក-\u{17FF}က-႟ꩠ-ꩿ\u{A9E0}-\u{A9FF}가-\u{D7AF}ᄀ-ᇿ]+",
                    deepSeek3,
                ])),
        Entry(
            names: ["superbpe"],
            rules: .groupedDigits(DigitGroups(onlyBeforeBoundary: false), then: ["\\p{N}+"]),
            cutsBeforeSpaces: false),
    ]

    /// The letters with two cases, as DeepSeek's `tokenizer.json` lists them.
    private static let cased =
        "A-Za-z\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}\u{1C4}-\u{293}"
        + "\u{295}-\u{2AF}\u{370}-\u{373}\u{376}\u{377}\u{37B}-\u{37D}\u{37F}\u{386}"
        + "\u{388}-\u{38A}\u{38C}\u{38E}-\u{3A1}\u{3A3}-\u{3F5}\u{3F7}-\u{481}\u{48A}-\u{52F}"
        + "\u{531}-\u{556}\u{10A0}-\u{10C5}\u{13A0}-\u{13F5}\u{13F8}-\u{13FD}\u{1C90}-\u{1CBA}"
        + "\u{1CBD}-\u{1CBF}\u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}\u{1D79}-\u{1D9A}"
        + "\u{1E00}-\u{1F15}\u{1F18}-\u{1F1D}\u{1F20}-\u{1F45}\u{1F48}-\u{1F4D}"
        + "\u{1F50}-\u{1F57}\u{1F59}\u{1F5B}\u{1F5D}\u{1F5F}-\u{1F7D}\u{1F80}-\u{1FB4}"
        + "\u{1FB6}-\u{1FBC}\u{1FBE}\u{1FC2}-\u{1FC4}\u{1FC6}-\u{1FCC}\u{1FD0}-\u{1FD3}"
        + "\u{1FD6}-\u{1FDB}\u{1FE0}-\u{1FEC}\u{1FF2}-\u{1FF4}\u{1FF6}-\u{1FFC}\u{2102}\u{2107}"
        + "\u{210A}-\u{2113}\u{2115}\u{2119}-\u{211D}\u{2124}\u{2126}\u{2128}\u{212A}-\u{212D}"
        + "\u{212F}-\u{2134}\u{2139}\u{213C}-\u{213F}\u{2145}-\u{2149}\u{214E}\u{2183}\u{2184}"
        + "\u{2C00}-\u{2C7B}\u{2C7E}-\u{2CE4}\u{2CEB}-\u{2CEE}\u{2CF2}\u{2CF3}\u{A640}-\u{A66D}"
        + "\u{A680}-\u{A69B}\u{A722}-\u{A76F}\u{A771}-\u{A787}\u{A78B}-\u{A78E}"
        + "\u{AB70}-\u{ABBF}\u{FB00}-\u{FB06}\u{FB13}-\u{FB17}\u{FF21}-\u{FF3A}"
        + "\u{FF41}-\u{FF5A}\u{10400}-\u{1044F}\u{104B0}-\u{104D3}\u{104D8}-\u{104FB}"
        + "\u{10C80}-\u{10CB2}\u{10CC0}-\u{10CF2}\u{118A0}-\u{118DF}\u{1E900}-\u{1E943}"
}
