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
                "\(contractions)|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}|"
                    + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
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
        "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚ"
        + "Ḁ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼ\u{1FBE}ῂ-ῄῆ-ῌῐ-\u{1FD3}ῖ-\u{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ"
        + "\u{2126}ℨ\u{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗ"
        + "Ａ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
}
