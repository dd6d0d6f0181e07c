use super::*;

const HEADER: &str = "sku,name,price,currency,stock";

fn parse_csv(text: &str) -> Result<Vec<Row>, ImportErrors> {
    parse(Path::new("catalog.csv"), text)
}

fn parse_yaml(text: &str) -> Result<Vec<Row>, ImportErrors> {
    parse(Path::new("catalog.yaml"), text)
}

fn told(result: Result<Vec<Row>, ImportErrors>) -> Vec<String> {
    result.unwrap_err().to_string().lines().map(str::to_owned).collect()
}

fn mug(number: u64) -> Row {
    let article = Article {
        sku: "MUG-01".into(),
        name: "Mug, white".into(),
        price: "15.90 EUR".parse().unwrap(),
        description: None,
        image: None,
    };
    Row { number, article, stock: 100 }
}

#[test]
fn csv_and_yaml_and_json_say_the_same() {
    let csv = format!("{HEADER}\nMUG-01,\"Mug, white\",15.90,EUR,100\n");
    assert_eq!(parse_csv(&csv).unwrap(), [mug(2)]);
    let yaml = "# ours\n- sku: MUG-01\n  name: Mug, white\n  price: 15.90\n  currency: EUR\n  stock: 100\n";
    assert_eq!(parse_yaml(yaml).unwrap(), [mug(1)]);
    let json =
        r#"[{"sku": "MUG-01", "name": "Mug, white", "price": "15.9", "currency": "EUR", "stock": 100}]"#;
    assert_eq!(parse(Path::new("catalog.json"), json).unwrap(), [mug(1)]);
    for (text, number) in [(csv.as_str(), 2), (yaml, 1), (json, 1)] {
        assert_eq!(
            parse(Path::new("catalog"), text).unwrap(),
            [mug(number)],
            "the form is found out without extension"
        );
    }
}

#[test]
fn a_byte_order_mark_and_the_line_ends_of_windows_and_spaces_are_accepted() {
    let csv = "\u{feff}SKU, Name ,price,currency,stock\r\n\r\nMUG-01,\"Mug, white\" , 15.90 ,EUR,100\r\n";
    assert_eq!(parse_csv(csv).unwrap(), [mug(3)]);
    let yaml = "\u{feff}- sku: MUG-01\r\n  name: Mug, white\r\n  price: 15.90\r\n  currency: EUR\r\n  stock: 100\r\n";
    assert_eq!(parse_yaml(yaml).unwrap(), [mug(1)]);
}

#[test]
fn columns_come_in_any_order_and_the_optional_ones_may_be_empty() {
    let rows =
        parse_csv("stock,image,description,name,currency,price,sku\n5,,White one,Mug,JPY,3180,M\n").unwrap();
    assert_eq!(rows[0].article.description.as_deref(), Some("White one"));
    assert_eq!(rows[0].article.image.as_deref(), Some(""));
    assert_eq!(rows[0].article.price.minor_units(), 3180);
    let rows = parse_yaml("- {sku: M, name: Mug, price: 1, currency: EUR, stock: 0, image: null}").unwrap();
    assert_eq!((rows[0].article.image.as_deref(), rows[0].article.description.as_deref()), (None, None));
}

#[test]
fn yaml_is_taken_as_it_is_written() {
    let row = |sku: &str, price: &str| {
        let text = format!("- {{sku: {sku}, name: yes, price: {price}, currency: EUR, stock: 1}}");
        parse_yaml(&text).map(|rows| (rows[0].article.sku.clone(), rows[0].article.price.minor_units()))
    };
    assert_eq!(row("007", "0.29"), Ok(("007".into(), 29)));
    assert_eq!(row("1e3", "1234567890123.45"), Ok(("1e3".into(), 123_456_789_012_345)));
    assert_eq!(row("2024-01-01", "'15.90'"), Ok(("2024-01-01".into(), 1590)));
    for price in
        ["15.900000000000000000001", "1e3", "0x10", "+5", "-5", ".5", "5.", "1_000", ".inf", ".nan", "true"]
    {
        assert!(row("A", price).is_err(), "{price}");
    }
}

#[test]
fn faults_are_told_as_file_row_and_column() {
    let text = format!("{HEADER}\nMUG-01,Mug,15.90,EUR,100\nTEE-02,Tee,\"12,50\",EUR,5\n");
    assert_eq!(
        told(parse_csv(&text)),
        [
            "catalog.csv, row 3, column price: \"12,50\" is not an amount: write digits with at most one point, like \"31.80\""
        ]
    );
}

#[test]
fn all_faults_are_told_in_the_order_of_the_rows() {
    let text =
        format!("{HEADER}\n,Mug,15.90,EUR,100\nTEE 02,,12,EURO,-1\nCAP,Cap,1,EUR,1\nCAP,Cap,1,EUR,1\n");
    let told = told(parse_csv(&text));
    let starts: Vec<&str> = told.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        starts,
        [
            "catalog.csv, row 2, column sku",
            "catalog.csv, row 3, column sku",
            "catalog.csv, row 3, column name",
            "catalog.csv, row 3, column currency",
            "catalog.csv, row 3, column stock",
            "catalog.csv, row 5, column sku",
        ]
    );
    assert!(told[5].contains("\"CAP\" is in rows 4 and 5"), "{}", told[5]);
}

#[test]
fn of_many_faults_twenty_are_told_and_the_rest_is_counted() {
    let text = format!("{HEADER}\n{}", "A B,Mug,1,EUR,1\n".repeat(30));
    let told = told(parse_csv(&text));
    assert_eq!(told.len(), 21);
    assert!(told[20].ends_with("more faults"), "{}", told[20]);
}

/// Samples of files that are refused, and what the sentence has to say.
const MALFORMED: &[(&str, &str, &[&str])] = &[
    ("nothing", "a.csv", &["a.csv: is empty"]),
    ("only a header", "a.csv", &["a.csv: has no articles"]),
    ("no header", "a.csv", &["row 1, column MUG-01", "no such column", "the columns are sku, name, price"]),
    ("a column is missing", "a.csv", &["row 1, column currency", "missing from the header"]),
    ("an unknown column", "a.csv", &["row 1, column colour", "no such column"]),
    ("a column twice", "a.csv", &["row 1, column sku", "twice"]),
    ("semicolons", "a.csv", &["row 1", "separate the columns by commas"]),
    ("too few cells", "a.csv", &["row 2", "has 4 columns and the header 5"]),
    ("too many cells", "a.csv", &["row 2", "has 6 columns and the header 5", "quotes"]),
    ("a quote that never ends", "a.csv", &["row 2", "has 2 columns"]),
    ("an empty sku", "a.csv", &["row 2, column sku: is missing"]),
    ("a sku with a space", "a.csv", &["row 2, column sku", "\"MUG 01\" is not a SKU"]),
    ("a sku that is too long", "a.csv", &["row 2, column sku", "63 at most"]),
    ("a sku with a foreign letter", "a.csv", &["row 2, column sku", "is not a SKU"]),
    ("a sku twice", "a.csv", &["row 3, column sku", "rows 2 and 3"]),
    ("an empty name", "a.csv", &["row 2, column name: is missing"]),
    ("a name with a line break", "a.csv", &["row 2, column name", "line break"]),
    ("a name that is too long", "a.csv", &["row 2, column name", "200 are accepted"]),
    ("an empty price", "a.csv", &["row 2, column price: is missing"]),
    ("a negative price", "a.csv", &["row 2, column price", "\"-1\" is not an amount"]),
    ("a price with a comma", "a.csv", &["row 2, column price", "\"12,50\" is not an amount"]),
    ("a price with a sign of currency", "a.csv", &["row 2, column price", "\"€5\" is not an amount"]),
    ("a price that is too precise", "a.csv", &["row 2, column price", "too many decimals: EUR has 2"]),
    ("yen with decimals", "a.csv", &["row 2, column price", "too many decimals: JPY has 0"]),
    ("a price beyond counting", "a.csv", &["row 2, column price", "out of range"]),
    ("a currency in small letters", "a.csv", &["row 2, column currency", "\"eur\" is not a currency"]),
    ("an empty currency", "a.csv", &["row 2, column currency: is missing"]),
    ("a negative stock", "a.csv", &["row 2, column stock", "\"-1\" is not a whole number"]),
    ("half a piece", "a.csv", &["row 2, column stock", "\"1.5\" is not a whole number"]),
    ("a stock beyond counting", "a.csv", &["row 2, column stock", "not a whole number from 0 to"]),
    ("an empty stock", "a.csv", &["row 2, column stock: is missing"]),
    ("a bell in the description", "a.csv", &["row 2, column description", "control character"]),
    ("no yaml", "a.yaml", &["a.yaml: is not YAML", "line 2"]),
    ("nothing", "a.yaml", &["a.yaml: is empty", "- sku: MUG-01"]),
    ("an empty list", "a.yaml", &["a.yaml: has no articles"]),
    ("a mapping", "a.yaml", &["a.yaml: is not a list of articles"]),
    ("a sentence", "a.yaml", &["a.yaml: is not a list of articles"]),
    ("a list of texts", "a.yaml", &["row 1: is not an article", "row 2: is not an article"]),
    ("two documents", "a.yaml", &["a.yaml: is not YAML"]),
    ("a key twice", "a.yaml", &["a.yaml: is not YAML", "sku"]),
    ("a nested price", "a.yaml", &["row 1, column price: is a mapping"]),
    ("a list of names", "a.yaml", &["row 1, column name: is a list"]),
    ("a key too many", "a.yaml", &["row 1, column colour", "no such column"]),
    ("a key is missing", "a.yaml", &["row 1, column currency: is missing"]),
    ("a null price", "a.yaml", &["row 1, column price: is missing"]),
    ("a float that lies", "a.yaml", &["row 1, column price", "too many decimals"]),
    ("an exponent", "a.yaml", &["row 1, column price", "\"1e3\" is not an amount"]),
    ("a stock in words", "a.yaml", &["row 2, column stock", "\"plenty\" is not a whole number"]),
    ("a sku twice", "a.yaml", &["row 2, column sku", "rows 1 and 2"]),
    ("a bomb of aliases", "a.yaml", &["a.yaml: is not YAML"]),
];

fn malformed(what: &str, file: &str) -> String {
    let csv = |row: &str| format!("{HEADER}\n{row}\n");
    let yaml = |cells: &str| format!("- {{{cells}}}\n");
    match (file, what) {
        (_, "nothing") => String::new(),
        ("a.csv", "only a header") => format!("{HEADER}\n"),
        ("a.csv", "no header") => "MUG-01,Mug,15.90,EUR,100\n".to_owned(),
        ("a.csv", "a column is missing") => "sku,name,price,stock\nA,Mug,1,1\n".to_owned(),
        ("a.csv", "an unknown column") => format!("{HEADER},colour\nA,Mug,1,EUR,1,white\n"),
        ("a.csv", "a column twice") => format!("{HEADER},SKU\nA,Mug,1,EUR,1,A\n"),
        ("a.csv", "semicolons") => "sku;name;price;currency;stock\nA;Mug;1;EUR;1\n".to_owned(),
        ("a.csv", "too few cells") => csv("A,Mug,1,EUR"),
        ("a.csv", "too many cells") => csv("A,Mug, white,1,EUR,1"),
        ("a.csv", "a quote that never ends") => csv("A,\"Mug,1,EUR,1"),
        ("a.csv", "an empty sku") => csv(",Mug,1,EUR,1"),
        ("a.csv", "a sku with a space") => csv("MUG 01,Mug,1,EUR,1"),
        ("a.csv", "a sku that is too long") => csv(&format!("{},Mug,1,EUR,1", "A".repeat(64))),
        ("a.csv", "a sku with a foreign letter") => csv("MÜG,Mug,1,EUR,1"),
        ("a.csv", "a sku twice") => csv("A,Mug,1,EUR,1\nA,Mug,1,EUR,1"),
        ("a.csv", "an empty name") => csv("A,,1,EUR,1"),
        ("a.csv", "a name with a line break") => csv("A,\"Mug\nBcc: all\",1,EUR,1"),
        ("a.csv", "a name that is too long") => csv(&format!("A,{},1,EUR,1", "m".repeat(201))),
        ("a.csv", "an empty price") => csv("A,Mug,,EUR,1"),
        ("a.csv", "a negative price") => csv("A,Mug,-1,EUR,1"),
        ("a.csv", "a price with a comma") => csv("A,Mug,\"12,50\",EUR,1"),
        ("a.csv", "a price with a sign of currency") => csv("A,Mug,€5,EUR,1"),
        ("a.csv", "a price that is too precise") => csv("A,Mug,1.005,EUR,1"),
        ("a.csv", "yen with decimals") => csv("A,Mug,1.5,JPY,1"),
        ("a.csv", "a price beyond counting") => csv("A,Mug,10000000000000000000,EUR,1"),
        ("a.csv", "a currency in small letters") => csv("A,Mug,1,eur,1"),
        ("a.csv", "an empty currency") => csv("A,Mug,1,,1"),
        ("a.csv", "a negative stock") => csv("A,Mug,1,EUR,-1"),
        ("a.csv", "half a piece") => csv("A,Mug,1,EUR,1.5"),
        ("a.csv", "a stock beyond counting") => csv("A,Mug,1,EUR,99999999999999999999"),
        ("a.csv", "an empty stock") => csv("A,Mug,1,EUR,"),
        ("a.csv", "a bell in the description") => format!("{HEADER},description\nA,Mug,1,EUR,1,ding\u{7}\n"),
        ("a.yaml", "no yaml") => "- sku: A\n name: [Mug\n".to_owned(),
        ("a.yaml", "an empty list") => "[]\n".to_owned(),
        ("a.yaml", "a mapping") => "articles:\n- sku: A\n".to_owned(),
        ("a.yaml", "a sentence") => "one mug, please\n".to_owned(),
        ("a.yaml", "a list of texts") => "- MUG-01\n- TEE-02\n".to_owned(),
        ("a.yaml", "two documents") => "- {}\n---\n- {}\n".to_owned(),
        ("a.yaml", "a key twice") => yaml("sku: A, sku: B, name: Mug, price: 1, currency: EUR, stock: 1"),
        ("a.yaml", "a nested price") => {
            yaml("sku: A, name: Mug, price: {amount: 1, currency: EUR}, stock: 1")
        }
        ("a.yaml", "a list of names") => yaml("sku: A, name: [Mug, Cup], price: 1, currency: EUR, stock: 1"),
        ("a.yaml", "a key too many") => {
            yaml("sku: A, name: Mug, price: 1, currency: EUR, stock: 1, colour: red")
        }
        ("a.yaml", "a key is missing") => yaml("sku: A, name: Mug, price: 1, stock: 1"),
        ("a.yaml", "a null price") => yaml("sku: A, name: Mug, price: null, currency: EUR, stock: 1"),
        ("a.yaml", "a float that lies") => {
            yaml("sku: A, name: Mug, price: 15.9000000000000001, currency: EUR, stock: 1")
        }
        ("a.yaml", "an exponent") => yaml("sku: A, name: Mug, price: 1e3, currency: EUR, stock: 1"),
        ("a.yaml", "a stock in words") => format!(
            "{}{}",
            yaml("sku: A, name: Mug, price: 1, currency: EUR, stock: 1"),
            yaml("sku: B, name: Mug, price: 1, currency: EUR, stock: plenty")
        ),
        ("a.yaml", "a sku twice") => yaml("sku: A, name: Mug, price: 1, currency: EUR, stock: 1").repeat(2),
        ("a.yaml", "a bomb of aliases") => {
            let mut text = "- &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
            for (name, of) in ('b'..='k').zip('a'..) {
                let aliases = vec![format!("*{of}"); 10].join(", ");
                text.push_str(&format!("- &{name} [{aliases}]\n"));
            }
            text
        }
        (file, what) => panic!("there is no sample of {what} for {file}"),
    }
}

#[test]
fn every_malformed_file_is_refused_with_a_sentence() {
    assert!(MALFORMED.len() >= 30);
    for (what, file, words) in MALFORMED {
        let text = malformed(what, file);
        let told = parse(Path::new(file), &text).expect_err(what).to_string();
        for word in *words {
            assert!(told.contains(word), "{what}: {word:?} is not in {told:?}");
        }
    }
}
