fn main() {
    for (name, text) in resources::definitions_as_yaml().unwrap() { println!("{name}\n{text}"); }
}
