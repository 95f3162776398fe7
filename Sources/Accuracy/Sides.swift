/// Something of the base and of the model that is measured against it.
struct Sides<Value> {
    var base: Value
    var other: Value
}
