//! The messages of ONNX's protocol buffer that the network needs, with the field numbers of `onnx.proto`.
//!
//! Declared by hand because these few replace a schema of 900 lines and a compiler for it at build time. Lists
//! are not packed, as in the schema; fields that are left out are such that a reader's default is meant.

use prost::Message;

/// `ModelProto`: a file.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    /// Version of the file format.
    #[prost(int64, optional, tag = "1")]
    pub ir_version: Option<i64>,
    /// The program that wrote it.
    #[prost(string, optional, tag = "2")]
    pub producer_name: Option<String>,
    /// That program's version.
    #[prost(string, optional, tag = "3")]
    pub producer_version: Option<String>,
    /// The network.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    /// The sets of operators it uses.
    #[prost(message, repeated, tag = "8")]
    pub operator_sets: Vec<OperatorSet>,
}

/// `OperatorSetIdProto`: a set of operators.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
    /// Whose; none for ONNX's own.
    #[prost(string, optional, tag = "1")]
    pub domain: Option<String>,
    /// Its version.
    #[prost(int64, optional, tag = "2")]
    pub version: Option<i64>,
}

/// `GraphProto`: nodes in the order of the work.
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    /// The operations.
    #[prost(message, repeated, tag = "1")]
    pub nodes: Vec<Node>,
    /// A name for people.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    /// The weights.
    #[prost(message, repeated, tag = "5")]
    pub initializers: Vec<Tensor>,
    /// What goes in.
    #[prost(message, repeated, tag = "11")]
    pub inputs: Vec<Value>,
    /// What comes out.
    #[prost(message, repeated, tag = "12")]
    pub outputs: Vec<Value>,
}

/// `NodeProto`: one operation.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    /// Names of what it takes.
    #[prost(string, repeated, tag = "1")]
    pub inputs: Vec<String>,
    /// Names of what it gives.
    #[prost(string, repeated, tag = "2")]
    pub outputs: Vec<String>,
    /// Its own name.
    #[prost(string, optional, tag = "3")]
    pub name: Option<String>,
    /// The operator, such as `Conv`.
    #[prost(string, optional, tag = "4")]
    pub operator: Option<String>,
    /// Its settings.
    #[prost(message, repeated, tag = "5")]
    pub attributes: Vec<Attribute>,
}

/// `AttributeProto`: a setting of an operation.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    /// Its name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// A number.
    #[prost(int64, optional, tag = "3")]
    pub int: Option<i64>,
    /// Several numbers.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// Which of them is meant: [`Attribute::INT`] or [`Attribute::INTS`].
    #[prost(int32, optional, tag = "20")]
    pub kind: Option<i32>,
}

impl Attribute {
    /// The kind of a number.
    pub const INT: i32 = 2;
    /// The kind of several numbers.
    pub const INTS: i32 = 7;
}

/// `TensorProto`: numbers with a shape.
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    /// The shape.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// The numbers' kind; 1 is a 32-bit float.
    #[prost(int32, optional, tag = "2")]
    pub kind: Option<i32>,
    /// Its name.
    #[prost(string, optional, tag = "8")]
    pub name: Option<String>,
    /// The numbers, little-endian.
    #[prost(bytes = "vec", optional, tag = "9")]
    pub raw: Option<Vec<u8>>,
}

/// `ValueInfoProto`: a name with a type.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    /// The name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// The type.
    #[prost(message, optional, tag = "2")]
    pub kind: Option<Type>,
}

/// `TypeProto`: here always a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct Type {
    /// Of which kind and shape.
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorType>,
}

/// `TypeProto.Tensor`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    /// The numbers' kind; 1 is a 32-bit float.
    #[prost(int32, optional, tag = "1")]
    pub kind: Option<i32>,
    /// The shape.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

/// `TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    /// Size after size.
    #[prost(message, repeated, tag = "1")]
    pub dimensions: Vec<Dimension>,
}

/// `TensorShapeProto.Dimension`: a number, or a name where any number will do.
#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    /// The size.
    #[prost(int64, optional, tag = "1")]
    pub value: Option<i64>,
    /// A name for a size that is not fixed.
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
}
